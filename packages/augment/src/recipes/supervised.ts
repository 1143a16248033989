import { IMAGENET, type Recipe } from './recipe.js';

export const SUPERVISED: readonly Recipe[] = [
  {
    name: 'eval',
    source:
      "pytorch/vision references/classification/presets.py, ClassificationPresetEval: bilinear, its default. DINO's own " +
      'evaluation resizes bicubic: views: { image: { transforms: [{ resize: { size: 256, interpolation: bicubic } }, ' +
      '{ center_crop: 224 }] } }.',
    normalization: IMAGENET,
    views: {
      image: {
        transforms: [{ resize: { size: 256, interpolation: 'bilinear' } }, { center_crop: { size: 224 } }],
      },
    },
  },
  {
    name: 'supervised',
    source:
      'pytorch/vision references/classification/presets.py, ClassificationPresetTrain without extra policies: bilinear, ' +
      'its default.',
    normalization: IMAGENET,
    views: {
      image: {
        size: 224,
        scale: [0.08, 1],
        interpolation: 'bilinear',
        transforms: [{ horizontal_flip: { p: 0.5 } }],
      },
    },
  },
];
