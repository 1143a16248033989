// What Cropstream wants to reach, as ratios within one run wherever that is possible.

const atLeast = (value) => ({ limit: value, met: (found) => found >= value, text: `>= ${value}` });
const atMost = (value) => ({ limit: value, met: (found) => found <= value, text: `<= ${value}` });

/** @type {{ what: string, suite: string, measure: string, target: ReturnType<typeof atLeast> }[]} */
export const TARGETS = [
  {
    what: 'DINO recipe: times as fast as torchvision on PIL to uint8, a core each',
    suite: 'pipeline',
    measure: 'whole recipe: torchvision / cropstream',
    target: atLeast(8),
  },
  {
    what: 'the same against torchvision as DINO publishes it, to normalised float32',
    suite: 'pipeline',
    measure: 'whole recipe: torchvision-published / cropstream',
    target: atLeast(8),
  },
  {
    what: 'DINO recipe: times as fast as OpenCV, a core each',
    suite: 'pipeline',
    measure: 'whole recipe: opencv / cropstream',
    target: atLeast(1.9),
  },
  {
    what: 'whole recipe against libjpeg-turbo alone',
    suite: 'pipeline',
    measure: 'whole / libjpeg-turbo',
    target: atMost(3),
  },
  {
    what: 'ten crops against libjpeg-turbo alone',
    suite: 'pipeline',
    measure: 'crops / libjpeg-turbo',
    target: atMost(2.2),
  },
  {
    what: 'two threads against one, on two cores',
    suite: 'pipeline',
    measure: 'two threads / one',
    target: atLeast(1.9),
  },
  {
    what: "the whole service's CPU against the bare pipeline's",
    suite: 'service',
    measure: 'service / bare pipeline',
    target: atMost(1.15),
  },
  {
    what: "a TypeScript client's stream against a bare grpc-js stream",
    suite: 'transport',
    measure: 'client / bare',
    target: atLeast(0.9),
  },
  {
    what: 'eight trainers on one serve against one',
    suite: 'service',
    measure: 'eight trainers / one',
    target: atLeast(0.95),
  },
  {
    what: 'CIFAR-10 recipe: times as fast as torchvision on PIL, a core each',
    suite: 'pipeline',
    measure: 'CIFAR-10 recipe: torchvision / cropstream',
    target: atLeast(10),
  },
  {
    what: 'first batch of serve on 100,000 files, seconds',
    suite: 'start',
    measure: 'first batch',
    target: atMost(2),
  },
  {
    what: 'memory of a worker of two threads above its outbox, MiB',
    suite: 'service',
    measure: 'crop-worker, memory above its outbox',
    target: atMost(300),
  },
];
