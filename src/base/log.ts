// What the program says to its operator. A message is constant; what varies is in the fields, whose names are agreed
// here so that a grep or a query written once keeps working.

export interface LogFields {
  readonly subnet?: string;
  readonly network?: string;
  readonly peer?: string;
  readonly peers?: number;
  readonly publicIp?: string;
  readonly dev?: string;
  readonly backend?: string;
  readonly mac?: string;
  readonly mtu?: number;
  readonly rev?: string;
  readonly op?: string;
  readonly ops?: number;
  readonly failed?: number;
  readonly errno?: string;
  readonly ms?: number;
  readonly key?: string;
  readonly path?: string;
  readonly endpoint?: string;
  readonly expires?: string;
  readonly count?: number;
  readonly signal?: string;
  readonly version?: string;
  readonly reason?: string;
  readonly hint?: string;
}

/** `error` a person must act; `warn` will become one if it lasts; `info` the state changed; `debug` the rest. */
export interface Logger {
  error(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  debug(message: string, fields?: LogFields): void;
}
