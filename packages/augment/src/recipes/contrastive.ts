import {
  type ChainOptions,
  chain,
  flipLast,
  IMAGENET,
  kernelBlur,
  pillowBlur,
  type Recipe,
} from './recipe.js';

const STRONG = [0.8, 0.8, 0.8, 0.2] as const;
const MOCO = [0.4, 0.4, 0.4, 0.1] as const;
const BYOL = [0.4, 0.4, 0.2, 0.1] as const;

/** Two views of 224 that differ in blur and solarize: BYOL's scheme, which Barlow Twins and VICReg took over. */
function asymmetric(blur: (p: number) => ChainOptions['blur']): Recipe['views'] {
  return {
    view_0: {
      size: 224,
      scale: [0.08, 1],
      interpolation: 'bicubic',
      transforms: chain({ jitter: BYOL, blur: blur(1) }),
    },
    view_1: {
      size: 224,
      scale: [0.08, 1],
      interpolation: 'bicubic',
      transforms: chain({ jitter: BYOL, blur: blur(0.1), solarizeP: 0.2 }),
    },
  };
}

interface Groups {
  readonly jitter: ChainOptions['jitter'];
  /** Scale of the two globals, and of the locals. */
  readonly global: [number, number];
  readonly local: [number, number];
  readonly locals: number;
}

/** Two views of 224 and some of 96, bilinear, of one chain that blurs half of them: SwAV's scheme, and MSN's. */
function groups({ jitter, global, local, locals }: Groups): Recipe['views'] {
  const group = (count: number, size: number, scale: [number, number]) => ({
    count,
    size,
    scale,
    interpolation: 'bilinear' as const,
    transforms: chain({ jitter, blur: pillowBlur(0.5) }),
  });
  return { global: group(2, 224, global), local: group(locals, 96, local) };
}

export const CONTRASTIVE: readonly Recipe[] = [
  {
    name: 'swav',
    source:
      'facebookresearch/swav src/multicropdataset.py with the 2x224 + 6x96 command. Bilinear; std[0] is 0.228 there.',
    normalization: { mean: [0.485, 0.456, 0.406], std: [0.228, 0.224, 0.225] },
    views: groups({ jitter: STRONG, global: [0.14, 1], local: [0.05, 0.14], locals: 6 }),
  },
  {
    name: 'msn',
    source:
      'facebookresearch/msn src/data_manager.py: one target and one anchor view of 224 and 10 focal views of 96; ' +
      'jitter of strength 0.5. The patch dropping of the anchors belongs to the model.',
    normalization: IMAGENET,
    views: groups({ jitter: MOCO, global: [0.3, 1], local: [0.05, 0.3], locals: 10 }),
  },
  {
    name: 'mocov2',
    source: 'facebookresearch/moco main_moco.py with --aug-plus. Bilinear; the flip comes last.',
    normalization: IMAGENET,
    views: {
      view: {
        count: 2,
        size: 224,
        scale: [0.2, 1],
        interpolation: 'bilinear',
        transforms: flipLast({ jitter: MOCO, blur: pillowBlur(0.5) }),
      },
    },
  },
  {
    name: 'mocov3',
    source:
      'facebookresearch/moco-v3 main_moco.py with the default --crop-min 0.08 (its ResNet-50 commands use 0.2). ' +
      'Bilinear; the flip comes last.',
    normalization: IMAGENET,
    views: {
      view_0: {
        size: 224,
        scale: [0.08, 1],
        interpolation: 'bilinear',
        transforms: flipLast({ jitter: BYOL, blur: pillowBlur(1) }),
      },
      view_1: {
        size: 224,
        scale: [0.08, 1],
        interpolation: 'bilinear',
        transforms: flipLast({ jitter: BYOL, blur: pillowBlur(0.1), solarizeP: 0.2 }),
      },
    },
  },
  {
    name: 'barlow',
    source: 'facebookresearch/barlowtwins main.py, class Transform.',
    normalization: IMAGENET,
    views: asymmetric(pillowBlur),
  },
  {
    name: 'vicreg',
    source: 'facebookresearch/vicreg augmentations.py, class TrainTransform.',
    normalization: IMAGENET,
    views: asymmetric(pillowBlur),
  },
  {
    name: 'byol',
    source:
      'deepmind-research byol/utils/augmentations.py: a blur kernel of a tenth of the side (23 x 23), here in ' +
      "torchvision's form (edges reflected, where the original pads with zeros); its brightness is an offset, here " +
      "torchvision's factor of the same range.",
    normalization: IMAGENET,
    views: asymmetric((p) => kernelBlur(p, 23)),
  },
  {
    name: 'simclr',
    source:
      'google-research/simclr data_util.py at colour strength 1: a blur kernel of a tenth of the side (23 x 23), here in ' +
      "torchvision's form; bicubic without antialiasing there, with it here. It does not normalise: mean 0, std 1.",
    normalization: { mean: [0, 0, 0], std: [1, 1, 1] },
    views: {
      view: {
        count: 2,
        size: 224,
        scale: [0.08, 1],
        interpolation: 'bicubic',
        transforms: chain({ jitter: STRONG, blur: kernelBlur(0.5, 23) }),
      },
    },
  },
];
