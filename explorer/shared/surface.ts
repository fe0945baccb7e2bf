/**
 * A canvas for a picture that is no chart: as wide as its place, sharp on any screen, and drawn anew
 * when its size or the theme changes.
 *
 *     const surface = new Surface({
 *       label: "The chain", height: () => 100,
 *       draw(pen, { width, height }, colors) { ... },   // in CSS pixels
 *     });
 *     place.append(surface.element);
 *     surface.describe("The chain: concave, +0.18.");  // what a screen reader says of it
 */

import { make } from "./dom";
import { colors, onTheme, type Colors } from "./theme";

export interface Box {
  readonly width: number;
  readonly height: number;
}

export interface SurfaceOptions {
  readonly label: string;
  /** CSS pixels, for a width. */
  readonly height: (width: number) => number;
  readonly draw: (pen: CanvasRenderingContext2D, box: Box, colors: Colors) => void;
}

export class Surface {
  readonly element: HTMLCanvasElement;
  private readonly pen: CanvasRenderingContext2D;
  private readonly options: SurfaceOptions;
  private box: Box = { width: 0, height: 0 };

  constructor(options: SurfaceOptions) {
    this.options = options;
    this.element = make("canvas", { role: "img", "aria-label": options.label, class: "surface" });
    this.element.style.height = `${Math.round(options.height(600))}px`; // until its width is known
    const pen = this.element.getContext("2d");
    if (!pen) throw new Error("This browser draws no canvas.");
    this.pen = pen;
    new ResizeObserver(() => this.fit()).observe(this.element);
    onTheme(() => this.drawNow());
  }

  /** Say in words what is drawn. */
  describe(text: string): void {
    if (this.element.getAttribute("aria-label") !== text) {
      this.element.setAttribute("aria-label", text);
    }
  }

  drawNow(): void {
    const { width, height } = this.box;
    if (!width) return;
    const scale = this.element.width / width;
    this.pen.setTransform(scale, 0, 0, scale, 0, 0);
    this.pen.clearRect(0, 0, width, height);
    this.options.draw(this.pen, this.box, colors());
  }

  private fit(): void {
    const width = this.element.clientWidth;
    const height = Math.round(this.options.height(width));
    const ratio = window.devicePixelRatio || 1;
    this.box = { width, height };
    this.element.style.height = `${height}px`;
    this.element.width = Math.round(width * ratio);
    this.element.height = Math.round(height * ratio);
    this.drawNow();
  }
}
