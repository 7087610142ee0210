/** How one direction of all connections is treated; what is not named stays as it is. */
export interface ProxyShape {
  /** Every byte arrives that much later. */
  readonly delayMs?: number;
  readonly bytesPerSecond?: number;
  /** Bytes wait in the proxy until this is false again; nothing is lost. */
  readonly hold?: boolean;
}

export interface ProxyShapes {
  readonly toTarget?: ProxyShape;
  readonly toClient?: ProxyShape;
}

/** What is done to one connection. */
export interface Fate {
  /** It is cut, and not taken again. */
  readonly refuse?: boolean;
  /** Nothing passes either way, and neither side is told; it is passed on once this is over. */
  readonly hold?: boolean;
  readonly delayMs?: number;
}

/** Owns the listening socket and all connections through it, until it is disposed. */
export interface TcpProxy extends AsyncDisposable {
  /** HOST:PORT at which it listens. */
  readonly address: string;
  /** Open connections. */
  readonly connections: number;
  /** Connections taken so far. */
  readonly accepted: number;
  /** Bytes passed on so far. */
  readonly bytes: { readonly toTarget: number; readonly toClient: number };
  shape(shapes: ProxyShapes): void;
  heal(): void;
  cut(): void;
  sift(): void;
  refuse(): void;
  forget(side: "client" | "target"): void;
}

export function startTcpProxy(
  options: {
    readonly target: string;
    readonly listen?: string;
    /** By the address of a connection's client, what is done to it; asked when it comes, as bytes pass, and by `sift`. */
    readonly fate?: (clientAddress: string) => Fate;
  } & ProxyShapes,
): Promise<TcpProxy>;
