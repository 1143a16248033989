/**
 * The cropstream command: one file a command in commands/, what they share beside them, pictures/ for PNGs.
 * This index is for scripts that need a part of it without a process: the program itself and demo images.
 * No pixel, order or protocol is decided here; commands only ask the packages that do.
 */
export { type DemoImagesOptions, makeDemoImages } from './demo/demo-images.js';
export { createProgram } from './program.js';
