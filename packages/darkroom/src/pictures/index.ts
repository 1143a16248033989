/** Contact sheets as PNG, with fonts of their own: the same picture on every machine. */
export { batchSheet, toImage } from './batch-sheet.js';
export { certain, effectsRow, effectsSheet, effectsView } from './effects-sheet.js';
export { boxOf, type PreviewColumn, previewColumn, previewSheet } from './preview-sheet.js';
export { drawSheet, type Rgb, runTitle, type Sheet, VIEW_COLOURS, viewColour } from './sheet.js';
export { FONT, rasterise } from './svg.js';
