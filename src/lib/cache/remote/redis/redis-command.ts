export type CommandArgument = string | number | Buffer;

/** A command of Redis: its name and what follows it. */
export type Command = readonly [name: string, ...rest: CommandArgument[]];
