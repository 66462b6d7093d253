/** Protocol 1 of innkeepd's control socket. Times are seconds, sizes bytes. */

export declare const PROTOCOL: 1;

export type Role = "coding" | "reasoning" | "general";
export type Priority = "interactive" | "agent" | "batch";
export type Json = Record<string, unknown>;

export type ErrorCode =
  | "bad_dialect" | "bad_message" | "frame_too_large" | "unknown_type" | "unsupported_protocol" | "forbidden"
  | "bad_config" | "bad_request" | "unknown_model" | "model_missing" | "never_fits" | "context_overflow"
  | "memory_pressure" | "on_hold" | "queue_full" | "deadline_exceeded" | "first_token_timeout" | "stalled"
  | "backend_unreachable" | "backend_error" | "load_failed" | "out_of_memory" | "unsupported" | "cancelled"
  | "shutting_down" | "internal"
  /** Never sent: no daemon answers, or it went away. */
  | "connection_failed" | "connection_lost";

export declare class InnkeepError extends Error {
  readonly code: ErrorCode;
  /** Whether the same request may succeed later. */
  readonly retryable: boolean;
  readonly detail: Json;
  /** Whether text had already been told when it failed. */
  readonly partial: boolean;
  constructor(code: ErrorCode, message: string, options?: { retryable?: boolean; detail?: Json; cause?: unknown });
}

export interface Message {
  role: "system" | "user" | "assistant" | "tool";
  content: string;
  images?: string[];
  thinking?: string;
  tool_calls?: Json[];
  tool_name?: string;
}

export interface Cancellable {
  /** Aborting it cancels the request; the caller gets the signal's reason. */
  signal?: AbortSignal;
}

export interface ChatOptions extends Cancellable {
  /** Any pulled model, then the only candidate unless `fallbacks` names more. */
  model?: string;
  fallbacks?: string[];
  /** That role's chain; without `model` and `role` the daemon routes. */
  role?: Role;
  stream?: boolean;
  options?: Json;
  tools?: Json[];
  format?: "json" | Json;
  think?: boolean | "low" | "medium" | "high" | "max";
  priority?: Priority;
  /** Seconds to wait for a better model before a smaller, resident one answers. */
  patience?: number;
  deadline?: number;
  session?: string;
  last?: boolean;
}

export interface Route {
  type: "route";
  id: number;
  role: Role;
  /** 0 to 1. */
  confidence: number;
  model: string;
  candidates: string[];
  reason: string;
  words?: string[];
  shares?: Record<string, number>;
  options?: { name: string; fit: string; reason: string }[];
  leaves?: string[];
  /** Seconds until the model is in memory. */
  expected?: number | null;
}
export interface Routed extends Omit<Route, "type" | "words" | "shares" | "options" | "leaves" | "expected"> {
  type: "routed";
  /** Names the decision record: `innkeep explain REQUEST`. */
  request: string;
}
export interface Waiting {
  type: "waiting"; id: number; model: string; position: number; ahead: number; resident: string[];
  expected: number | null; reason: string; until: number | null;
}
export interface Loading {
  type: "loading"; id: number; model: string; unloading: string[]; elapsed: number; expected: number | null;
}
export interface Started {
  type: "started"; id: number; model: string; attempt: number;
  after: { model: string; code: ErrorCode; message: string } | null;
}
/** Exactly one of the three. */
export interface Delta {
  type: "delta"; id: number; text?: string; thinking?: string; tool_calls?: Json[];
}
export interface Done {
  type: "done"; id: number; model: string; role: string; finish_reason: string;
  usage: { prompt_tokens: number; completion_tokens: number };
  timings: { queued: number; swap: number; first_token: number | null; total: number; tokens_per_second: number | null };
  attempts: { model: string; outcome: string; code: ErrorCode | null; seconds: number; message: string | null }[];
  text?: string | null; thinking?: string | null; tool_calls?: Json[] | null;
}
export type ChatReply = Routed | Waiting | Loading | Started | Delta | Done;

export interface Resident {
  name: string; weight: "heavy" | "light"; footprint: number; context: number | null; leases: number;
  pinned: boolean; owned: boolean; since: number; expires: number | null;
}
export interface Status {
  type: "status"; id: number; protocol: number; daemon: string; pid: number; uptime: number;
  backend: { url: string; reachable: boolean; version: string | null; simulated: boolean };
  memory: {
    total: number; budget: number; available: number; pressure: "normal" | "warning" | "critical"; source: string;
  };
  resident: Resident[];
  changing: { model: string; what: "loading" | "unloading"; elapsed: number; expected: number | null }[];
  waiting: { id: string; model: string; priority: Priority; waited: number }[];
  oldest_wait: number | null; selected: string | null; held_until: number | null;
  counters: {
    requests: number; swaps: number; loads: number; unloads: number; fallbacks: number; refusals: number;
    foreign_loads: number;
  };
  awake: string | null; warnings: string[];
}
export interface Models {
  type: "models"; id: number; selected: string | null;
  models: {
    name: string; size: number; parameters: number; quantization: string; roles: Role[]; weight: "heavy" | "light";
    footprint: number; fit: "resident" | "fits" | "tight" | "after_eviction" | "never" | "missing"; reason: string;
    context: number | null;
  }[];
}
/** Any message of the protocol that has no type of its own here. */
export type Reply = { type: string; id: number | null } & Json;
export type Request = { type: string } & Json;

export declare class Answer implements AsyncIterable<string> {
  readonly routed: Routed | undefined;
  readonly done: Done | undefined;
  /** The text so far. */
  readonly text: string;
  [Symbol.asyncIterator](): AsyncGenerator<string, void, undefined>;
  replies(): AsyncGenerator<ChatReply, void, undefined>;
  read(): Promise<string>;
  cancel(): void;
}

export declare class Client {
  readonly path: string;
  /** The daemon's version and process, once `connect` has greeted it. */
  readonly daemon: string | undefined;
  readonly pid: number | undefined;
  constructor(path?: string);
  chat(prompt: string | Message[], options?: ChatOptions): Answer;
  route(prompt: string | Message[], options?: Cancellable & { session?: string }): Promise<Route>;
  status(options?: Cancellable): Promise<Status>;
  models(options?: Cancellable): Promise<Models>;
  embed(input: string | string[], options: Cancellable & { model: string }): Promise<number[][]>;
  request(request: Request, options?: Cancellable): Promise<Reply>;
  stream(request: Request, options?: Cancellable): AsyncGenerator<Reply, void, undefined>;
  close(): void;
}

export declare function connect(options?: Cancellable & { path?: string }): Promise<Client>;
export declare function socketPath(env?: Record<string, string | undefined>): string;
