/** Commands whose large values go to the socket as they are. The client would copy each into fresh memory, up to a GC. */
import type { Socket } from 'node:net';
import type * as Client from 'ioredis';
import type { Command } from './redis-command.ts';

/** Sends `command`; a Buffer among its arguments is read until the promise is settled. */
export type SendUncopied = (client: Client.Redis, command: Command) => Promise<unknown>;

/** Of the client, once it is loaded. */
export function uncopiedCommands({ Command: ClientCommand }: Pick<typeof Client, 'Command'>): SendUncopied {
  class UncopiedCommand extends ClientCommand {
    /** What is returned is written right behind what is written here (RESP2 arrays of bulk strings). */
    override toWritable(target: object): string {
      const socket = target as Socket;
      let text = `*${this.args.length + 1}\r\n${bulk(this.name)}`;
      socket.cork();
      for (const argument of this.args) {
        if (argument instanceof Buffer) {
          socket.write(`${text}$${argument.length}\r\n`);
          socket.write(argument);
          text = '\r\n';
        } else {
          text += bulk(String(argument));
        }
      }
      process.nextTick(() => socket.uncork());
      return text;
    }
  }
  return async (client, [name, ...rest]) => client.sendCommand(new UncopiedCommand(name, rest, { replyEncoding: null }));
}

function bulk(text: string): string {
  return `$${Buffer.byteLength(text)}\r\n${text}\r\n`;
}
