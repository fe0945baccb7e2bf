/** The chain's physics, without a page: what tests compare with `lp.spring_block`. */

export * from "./diagram";
export * from "./exact";
export * from "./mean_flow";
export * from "./motion";
export * from "./normal";
export * from "./pull";
export * from "./random";
