import { chain, IMAGENET, kernelBlur, pillowBlur, type Recipe } from './recipe.js';

const JITTER = [0.4, 0.4, 0.2, 0.1] as const;

interface Scales {
  readonly global: [number, number];
  readonly local: [number, number];
}

function dinoViews(scales: Scales, locals: number): Recipe['views'] {
  const global = { size: 224, scale: scales.global, interpolation: 'bicubic' } as const;
  return {
    global_0: { ...global, transforms: chain({ jitter: JITTER, blur: pillowBlur(1) }) },
    global_1: { ...global, transforms: chain({ jitter: JITTER, blur: pillowBlur(0.1), solarizeP: 0.2 }) },
    local: {
      count: locals,
      size: 96,
      scale: scales.local,
      interpolation: 'bicubic',
      transforms: chain({ jitter: JITTER, blur: pillowBlur(0.5) }),
    },
  };
}

interface V2Options {
  readonly globalSize: number;
  readonly localSize: number;
  readonly flip: boolean;
  /** Of global_0, global_1 and the locals. */
  readonly blur: readonly [number, number, number];
}

function dinov2Views({ globalSize, localSize, flip, blur }: V2Options): Recipe['views'] {
  const scale: [number, number] = [0.32, 1];
  const global = { size: globalSize, scale, interpolation: 'bicubic' } as const;
  const of = (index: 0 | 1 | 2) => ({ flip, jitter: JITTER, blur: kernelBlur(blur[index], 9) });
  return {
    global_0: { ...global, transforms: chain(of(0)) },
    global_1: { ...global, transforms: chain({ ...of(1), solarizeP: 0.2 }) },
    local: {
      count: 8,
      size: localSize,
      scale: [0.05, 0.32],
      interpolation: 'bicubic',
      transforms: chain(of(2)),
    },
  };
}

export const DINO_FAMILY: readonly Recipe[] = [
  {
    name: 'dino',
    source: 'facebookresearch/dino main_dino.py, DataAugmentationDINO with the default arguments (ViT).',
    normalization: IMAGENET,
    views: dinoViews({ global: [0.4, 1], local: [0.05, 0.4] }, 8),
  },
  {
    name: 'dino-resnet50',
    source:
      'facebookresearch/dino README, the ResNet-50 command: --global_crops_scale 0.14 1 --local_crops_scale 0.05 0.14.',
    normalization: IMAGENET,
    views: dinoViews({ global: [0.14, 1], local: [0.05, 0.14] }, 8),
  },
  {
    name: 'dinov2',
    source:
      'facebookresearch/dinov2 data/augmentations.py and ssl_default_config.yaml, as they run: the blur wrapper is ' +
      'given 1 - p as the probability to apply (pull request 411), so global_0 is never blurred and global_1 at 0.9. ' +
      'The released checkpoints were trained so. ViT-L and ViT-g use locals of 98.',
    normalization: IMAGENET,
    views: dinov2Views({ globalSize: 224, localSize: 96, flip: true, blur: [0, 0.9, 0.5] }),
  },
  {
    name: 'dinov2-paper',
    source: 'The DINOv2 paper: as dinov2, but with the blur probabilities that were meant, 1 and 0.1.',
    normalization: IMAGENET,
    views: dinov2Views({ globalSize: 224, localSize: 96, flip: true, blur: [1, 0.1, 0.5] }),
  },
  {
    name: 'dinov3',
    source:
      'facebookresearch/dinov3 vit7b16_pretrain.yaml: 256 and 112 pixels, horizontal_flips off, the blur ' +
      "probabilities inverted as in DINOv2 (issue 286). The repository's default config has 224, 96 and flips.",
    normalization: IMAGENET,
    views: dinov2Views({ globalSize: 256, localSize: 112, flip: false, blur: [0, 0.9, 0.5] }),
  },
  {
    name: 'ibot',
    source:
      'bytedance/ibot main_ibot.py and README, the ViT-S command: 10 locals, scales 0.25 to 1 and 0.05 to 0.25.',
    normalization: IMAGENET,
    views: dinoViews({ global: [0.25, 1], local: [0.05, 0.25] }, 10),
  },
  {
    name: 'esvit',
    source:
      'microsoft/esvit datasets/build.py: as DINO. EsViT allows several local sizes: add a group for each, such as ' +
      '`small: { count: 4, size: 64, scale: [0.05, 0.4], transforms: [...] }`.',
    normalization: IMAGENET,
    views: dinoViews({ global: [0.4, 1], local: [0.05, 0.4] }, 8),
  },
];
