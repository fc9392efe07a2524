import { describe, expect, test } from 'vitest';
import { mayLead, reachOfHost, type Reach } from '../../src/lib/http/address-reach.ts';

describe('reachOfHost', () => {
  test.each<[string, Reach]>([
    ['registry.example.com', 'public'],
    ['8.8.8.8', 'public'],
    ['172.32.0.1', 'public'],
    ['[2606:4700::1111]', 'public'],
    ['10.1.2.3', 'private'],
    ['172.31.255.255', 'private'],
    ['192.168.0.1', 'private'],
    ['100.64.0.1', 'private'],
    ['[fd12:3456::1]', 'private'],
    ['[::ffff:a01:203]', 'private'],
    ['[64:ff9b::a01:203]', 'private'],
    ['[2002:c0a8:1::1]', 'private'],
    ['registry', 'private'],
    ['nas.local', 'private'],
    ['vault.corp.internal.', 'private'],
    ['printer.home.arpa', 'private'],
    ['127.0.0.1', 'loopback'],
    ['127.255.255.254', 'loopback'],
    ['0.0.0.0', 'loopback'],
    ['[::]', 'loopback'],
    ['[::1]', 'loopback'],
    ['[::ffff:7f00:1]', 'loopback'],
    ['LOCALHOST', 'loopback'],
    ['app.localhost.', 'loopback'],
    ['169.254.169.254', 'link-local'],
    ['[fe80::1]', 'link-local'],
    ['[::ffff:a9fe:a9fe]', 'link-local'],
    ['[fd00:ec2::254]', 'link-local'],
    ['100.100.100.200', 'link-local'],
    ['metadata.google.internal', 'link-local'],
    ['255.255.255.255', 'link-local'],
  ])('%s is %s', (host, reach) => {
    expect(reachOfHost(host)).toBe(reach);
  });
});

describe('mayLead', () => {
  test.each<[string, string, boolean]>([
    ['https://registry.example', 'https://auth.example/token', true],
    ['https://registry.example', 'https://registry.example/token', true],
    ['https://registry.example', 'https://10.0.0.1/token', false],
    ['https://registry.example', 'https://127.0.0.1:8080/token', false],
    ['https://registry.example', 'https://localhost/token', false],
    ['https://registry.example', 'https://[::1]/token', false],
    ['https://registry.example', 'https://169.254.169.254/latest', false],
    // WHATWG URL knows these as 127.0.0.1 and 10.0.0.1.
    ['https://registry.example', 'https://0x7f.1/token', false],
    ['https://registry.example', 'https://167772161/token', false],
    ['https://registry.example', 'https://[::ffff:10.0.0.1]/token', false],
    ['http://127.0.0.1:5000', 'http://127.0.0.1:5000/token', true],
    ['http://127.0.0.1:5000', 'http://127.0.0.1:5001/token', true],
    ['https://10.0.0.1', 'https://10.0.0.2/token', true],
    ['https://10.0.0.1', 'https://127.0.0.1/token', true],
    ['https://registry', 'https://10.0.0.2/token', true],
    ['https://10.0.0.1', 'https://storage.example/blob', true],
    ['https://10.0.0.1', 'https://169.254.169.254/latest', false],
    ['http://127.0.0.1:5000', 'http://169.254.169.254/latest', false],
    ['https://169.254.0.1', 'https://169.254.0.1/token', true],
    ['https://8.8.8.8', 'https://192.168.1.1/', false],
    ['https://8.8.8.8:5000', 'https://8.8.8.8:5001/', true],
  ])('from %s to %s: %s', (from, to, expected) => {
    expect(mayLead(new URL(from), new URL(to))).toBe(expected);
  });
});
