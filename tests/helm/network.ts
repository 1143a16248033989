import type { Manifest } from './chart.js';

/** A pod, or an address outside of the cluster. */
export type Place =
  | { readonly namespace: string; readonly labels: Readonly<Record<string, string>> }
  | { readonly address: string };

interface Selector {
  readonly matchLabels?: Readonly<Record<string, string>>;
  readonly matchExpressions?: readonly {
    readonly key: string;
    readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist';
    readonly values?: readonly string[];
  }[];
}

interface Peer {
  readonly podSelector?: Selector;
  readonly namespaceSelector?: Selector;
  readonly ipBlock?: { readonly cidr: string; readonly except?: readonly string[] };
}

interface Rule {
  readonly from?: readonly Peer[];
  readonly to?: readonly Peer[];
  readonly ports?: readonly {
    readonly port?: number;
    readonly endPort?: number;
    readonly protocol?: string;
  }[];
}

interface Policy {
  readonly namespace: string;
  readonly podSelector: Selector;
  readonly policyTypes: readonly string[];
  readonly ingress?: readonly Rule[];
  readonly egress?: readonly Rule[];
}

/**
 * What NetworkPolicies let through, as Kubernetes defines it: a pod that no policy selects for a direction is open in it;
 * else some rule of some policy has to allow the other end and the port, at both ends.
 */
export class Network {
  readonly #policies: readonly Policy[];

  /**
   * @param namespace the release's
   * @param namespaces the labels of each namespace
   */
  constructor(
    manifests: readonly Manifest[],
    namespace: string,
    private readonly namespaces: Readonly<Record<string, Readonly<Record<string, string>>>>,
  ) {
    this.#policies = manifests
      .filter(({ kind }) => kind === 'NetworkPolicy')
      .map(({ spec }) => ({ ...(spec as unknown as Omit<Policy, 'namespace'>), namespace }));
  }

  allows(from: Place, to: Place, port: number, protocol = 'TCP'): boolean {
    return this.#lets(from, to, 'Egress', port, protocol) && this.#lets(to, from, 'Ingress', port, protocol);
  }

  #lets(self: Place, other: Place, direction: 'Ingress' | 'Egress', port: number, protocol: string): boolean {
    // What lies outside of the cluster has no policies.
    if ('address' in self) return true;
    const selecting = this.#policies.filter(
      (policy) =>
        policy.policyTypes.includes(direction) &&
        policy.namespace === self.namespace &&
        matches(policy.podSelector, self.labels),
    );
    if (selecting.length === 0) return true;
    return selecting.some((policy) =>
      ((direction === 'Ingress' ? policy.ingress : policy.egress) ?? []).some(
        (rule) =>
          allowsPort(rule, port, protocol) &&
          allowsPeer(direction === 'Ingress' ? rule.from : rule.to, (peer) =>
            this.#isPeer(peer, other, policy.namespace),
          ),
      ),
    );
  }

  #isPeer({ podSelector, namespaceSelector, ipBlock }: Peer, other: Place, ownNamespace: string): boolean {
    if ('address' in other) {
      if (!ipBlock) return false;
      return (
        within(other.address, ipBlock.cidr) &&
        !(ipBlock.except ?? []).some((cidr) => within(other.address, cidr))
      );
    }
    // Pods' addresses are not what blocks are for: they come and go.
    if (ipBlock) return false;
    const isInNamespace = namespaceSelector
      ? matches(namespaceSelector, this.namespaces[other.namespace] ?? {})
      : other.namespace === ownNamespace;
    return isInNamespace && matches(podSelector ?? {}, other.labels);
  }
}

/** No ports, or no peers, are all of them. */
function allowsPort({ ports }: Rule, port: number, protocol: string): boolean {
  if (!ports || ports.length === 0) return true;
  return ports.some(
    (each) =>
      (each.protocol ?? 'TCP') === protocol &&
      (each.port === undefined || (port >= each.port && port <= (each.endPort ?? each.port))),
  );
}

function allowsPeer(peers: readonly Peer[] | undefined, isPeer: (peer: Peer) => boolean): boolean {
  return !peers || peers.length === 0 || peers.some(isPeer);
}

function matches(
  { matchLabels = {}, matchExpressions = [] }: Selector,
  labels: Readonly<Record<string, string>>,
): boolean {
  return (
    Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
    matchExpressions.every(({ key, operator, values = [] }) => {
      const value = labels[key];
      if (operator === 'Exists') return value !== undefined;
      if (operator === 'DoesNotExist') return value === undefined;
      const isIn = value !== undefined && values.includes(value);
      return operator === 'In' ? isIn : !isIn;
    })
  );
}

const bitsOf = (address: string) =>
  address.split('.').reduce((bits, part) => ((bits << 8) | Number(part)) >>> 0, 0);

function within(address: string, cidr: string): boolean {
  const [base = '', length = '32'] = cidr.split('/');
  const mask = Number(length) === 0 ? 0 : (~0 << (32 - Number(length))) >>> 0;
  return (bitsOf(address) & mask) >>> 0 === (bitsOf(base) & mask) >>> 0;
}
