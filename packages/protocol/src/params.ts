/**
 * The columns of a `params/<view>` table, float32 [samples, PARAM_COLUMNS.length]: how each sample's view was made.
 * NaN where a transform is not in the view's chain or was drawn not to apply. The box is in integer pixels of the
 * source, whose size stands beside it; `jitter_0` to `jitter_3` are the order of the jitter's factors (0 brightness,
 * 1 contrast, 2 saturation, 3 hue); flip and grayscale are 0 or 1.
 */
export const PARAM_COLUMNS = [
  'box_x',
  'box_y',
  'box_width',
  'box_height',
  'source_width',
  'source_height',
  'flip',
  'jitter_0',
  'jitter_1',
  'jitter_2',
  'jitter_3',
  'brightness',
  'contrast',
  'saturation',
  'hue',
  'grayscale',
  'blur_sigma',
  'solarize_threshold',
] as const;
