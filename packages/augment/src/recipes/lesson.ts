import { type ChainOptions, chain, IMAGENET, type Recipe } from './recipe.js';

interface LessonOptions {
  readonly globalSize: number;
  readonly globalScale: [number, number];
  readonly locals: number;
  readonly localSize: number;
  readonly localScale: [number, number];
  readonly localJitter: ChainOptions['jitter'];
  readonly sigma: [number, number];
}

/** The lesson's classes apply jitter and blur to every crop, and solarize every second global. */
function lessonViews(options: LessonOptions): Recipe['views'] {
  const blur = { p: 1, kind: 'pillow', sigma: options.sigma };
  const always = { jitter: [0.4, 0.4, 0.4, 0.1], jitterP: 1, blur } as const;
  const global = { size: options.globalSize, scale: options.globalScale, interpolation: 'bicubic' } as const;
  return {
    global_0: { ...global, transforms: chain(always) },
    global_1: { ...global, transforms: chain({ ...always, solarizeP: 1 }) },
    local: {
      count: options.locals,
      size: options.localSize,
      scale: options.localScale,
      interpolation: 'bicubic',
      transforms: chain({ ...always, jitter: options.localJitter }),
    },
  };
}

export const LESSON: readonly Recipe[] = [
  {
    name: 'lesson-imagenet',
    source:
      'Lesson 2.2, class MultiCropAugmentation. Its kernel_size_range has no effect there: Pillow takes a sigma alone.',
    normalization: IMAGENET,
    views: lessonViews({
      globalSize: 224,
      globalScale: [0.4, 1],
      locals: 8,
      localSize: 96,
      localScale: [0.05, 0.4],
      localJitter: [0.4, 0.4, 0.4, 0.1],
      sigma: [0.1, 2],
    }),
  },
  {
    name: 'lesson-cifar10',
    source: 'Lesson 2.2, class MultiCropAugmentationCIFAR; CIFAR-10 statistics.',
    normalization: { mean: [0.4914, 0.4822, 0.4465], std: [0.2023, 0.1994, 0.201] },
    views: lessonViews({
      globalSize: 32,
      globalScale: [0.7, 1],
      locals: 6,
      localSize: 16,
      localScale: [0.3, 0.7],
      localJitter: [0.3, 0.3, 0.3, 0.1],
      sigma: [0.1, 1],
    }),
  },
];
