/** What was drawn against what is configured: boxes from image headers alone, no pixels. */
export {
  type CropGroup,
  type CropStatistics,
  CropStatisticsCollector,
  type Histogram,
  namesOf,
} from './crop-statistics.js';
export { type DrawBoxesOptions, type DrawnBoxes, drawBoxes } from './draw-boxes.js';
export { expectedDensities } from './expected.js';
