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
    /** By the port of a connection's client, whether it may pass; asked when it comes, and by `sift`. */
    readonly admits?: (clientPort: number) => boolean;
  } & ProxyShapes,
): Promise<TcpProxy>;
