/** What the page says: names, numbers and sentences that follow from the numbers. */

import { digits, signed } from "../shared/dom";
import {
  panelOf,
  type DataSet,
  type Estimate,
  type Kind,
  type Panel,
  type PanelName,
} from "./panels";

export const DATA_NAMES: Readonly<Record<DataSet, string>> = {
  mnist: "MNIST",
  fashion: "Fashion",
  digits: "digits",
  "mnist-no-batch-norm": "MNIST, no BatchNorm",
};

export const PANEL_NAMES: Readonly<Record<PanelName, string>> = {
  dropout: "dropout",
  "data-noise": "data noise",
  "learning-rate": "learning rate",
  "batch-size": "batch size",
};

export const LEVEL_NAMES: Readonly<Record<PanelName, { axis: string; short: string }>> = {
  dropout: { axis: "dropout rate", short: "dropout" },
  "data-noise": { axis: "data noise q", short: "data noise" },
  "learning-rate": { axis: "learning rate of Adam", short: "learning rate" },
  "batch-size": { axis: "batch size (smaller is noisier)", short: "batch size" },
};

export const KIND_NAMES: Readonly<Record<Kind, string>> = {
  trace_ratio: "trace ratio",
  fuzziness: "fuzziness",
  inverse: "inverse",
};

/** What is drawn over the layers; separating is falling in all three. */
export const KIND_AXES: Readonly<Record<Kind, string>> = {
  trace_ratio: "log Tr \u03a3w / Tr \u03a3b, in nats",
  fuzziness: "log Tr \u03a3w \u03a3b\u207a, in nats",
  inverse: "\u2212log Tr \u03a3b \u03a3w\u207a, in nats",
};

/** A curve that bends by less than this is called nearly straight: they range from 0.15 to -0.4. */
const NEARLY = 0.03;

export function levelText(panel: PanelName, level: number): string {
  if (panel === "learning-rate")
    return level < 0.001 ? level.toExponential().replace("-", "\u2212") : String(level);
  return panel === "batch-size" ? String(level) : digits(level);
}

export function percent(value: number | null): string {
  return value === null ? "unknown" : `${(100 * value).toFixed(1)} %`;
}

/** "93.4 % (93.1 to 93.7)" */
export function accuracyText([value, low, high]: Estimate): string {
  if (low === null || high === null) return percent(value);
  return `${percent(value)} (${(100 * low).toFixed(1)} to ${(100 * high).toFixed(1)})`;
}

/** "+0.012 (-0.003 to +0.027)" */
export function concavityText([value, low, high]: Estimate, falls: boolean): string {
  if (value === null) return "no curve";
  if (!falls) return "not to be read";
  if (low === null || high === null) return signed(value);
  return `${signed(value)} (${signed(low)} to ${signed(high)})`;
}

/** What a cell's mean curve is: a word, who does the work, and the name of its colour. */
export function verdict(panel: Panel, cell: number): { word: string; means: string; tone: string } {
  const [value] = panel.concavity(cell);
  if (value === null) {
    return { word: "no curve", means: "all nets of this cell diverged", tone: "quiet" };
  }
  if (!panel.falls(cell)) {
    return { word: "hardly falls", means: "its concavity may be anything", tone: "quiet" };
  }
  if (Math.abs(value) < NEARLY) {
    return { word: "nearly straight", means: "layers share the work about equally", tone: "text" };
  }
  return value > 0
    ? { word: "concave", means: "deep layers do most of the work", tone: "orange" }
    : { word: "convex", means: "shallow layers do most of the work", tone: "blue" };
}

export function placeInWords(panel: Panel, cell: number): string {
  const name = panel.content.panel;
  return `slope ${digits(panel.slopeOf(cell))}, ${LEVEL_NAMES[name].short} ${levelText(name, panel.levelOf(cell))}`;
}

/** A cell for those who do not see it. */
export function cellInWords(panel: Panel, cell: number): string {
  const [value] = panel.concavity(cell);
  const bend = value === null || !panel.falls(cell) ? "" : `, concavity ${signed(value)}`;
  return `${placeInWords(panel, cell)}: accuracy ${percent(panel.accuracy(cell)[0])}${bend}, ${verdict(panel, cell).word}`;
}

/** How far the claim holds in a panel, from its coefficient over nets. */
export function claimInWords(panel: Panel): string {
  const [value, low] = panel.betweenNets;
  const how =
    value >= 0.7
      ? "Here the claim holds: accuracy goes closely along with straightness."
      : value >= 0.4
        ? "Here the claim holds in part: accuracy goes along with straightness, with many exceptions."
        : low > 0
          ? "Here the claim is weak: accuracy hardly goes along with straightness."
          : "Here the claim fails: accuracy does not go along with straightness.";
  const best = panel.best();
  const [bend] = panel.concavity(best);
  const { word } = verdict(panel, best);
  const bent = bend === null || !panel.falls(best) ? word : `${word}, ${signed(bend)}`;
  return `${how} The most accurate cell (${placeInWords(panel, best)}: ${percent(panel.accuracy(best)[0])}) is ${bent}.`;
}

/** What to beware of in a panel; docs/phase-diagrams.md has the whole of it. */
export function caution(panel: Panel): string {
  const { data, panel: noise } = panel.content;
  const elsewhere = (other: DataSet, kind: Kind) =>
    panelOf(other, noise, kind).betweenNets[0].toFixed(2).replace("-", "\u2212");
  if (data === "mnist-no-batch-norm") {
    const [, , high] = panel.concavity(panel.best());
    const where = high !== null && high < -NEARLY;
    return (
      `With BatchNorm the coefficient of this panel is ${elsewhere("mnist", panel.kind)}.` +
      (where ? " Without it the best nets are clearly convex: the ridge is not at 0." : "")
    );
  }
  if (panel.kind === "inverse") {
    return "By this convention a linear net (slope 1) takes no load at all: its curves hardly fall.";
  }
  if (data === "fashion") {
    return panel.kind === "trace_ratio"
      ? "By trace ratio the first layer of most nets separates nothing here, or undoes some of what the pixels had: a hump, which concavity counts."
      : `By trace ratio, which bears the claim on MNIST, the coefficient of this panel is ${elsewhere("fashion", "trace_ratio")}.`;
  }
  if (data === "digits") {
    return `With ${panel.content.n_test} test images the accuracy of one net is known to 0.7 points only.`;
  }
  if (panel.kind === "fuzziness") {
    return `How separation is measured matters: by trace ratio the coefficient of this panel is ${elsewhere("mnist", "trace_ratio")}.`;
  }
  return "It is a ridge and not a law: some straight curves, such as those of linear nets that learn slowly, are not accurate.";
}

/** What was trained, in a sentence. */
export function sourceInWords(panel: Panel): string {
  const { content } = panel;
  const count = panel.cells * panel.seeds;
  const each =
    content.subsets > 1
      ? `${content.nets} nets on each of ${content.subsets} subsets of the data`
      : `${content.nets} nets on one subset of the data`;
  return `${count.toLocaleString("en")} nets: in each cell ${each}, of ${content.n_train.toLocaleString("en")} training images; accuracy on ${content.n_test.toLocaleString("en")} others.`;
}
