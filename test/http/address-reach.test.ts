import { describe, expect, test } from 'vitest';
import { reachOfHost, type Reach } from '../../src/lib/http/address-reach.ts';

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
