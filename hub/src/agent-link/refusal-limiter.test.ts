import { describe, expect, test } from 'vitest';
import { createRefusalLimiter, networkOf } from './refusal-limiter.ts';

describe('the limit on refused enrolments', () => {
  test('S3: lets ten refused tries a minute pass, and more when the minute is over', () => {
    const limiter = createRefusalLimiter();
    for (let index = 0; index < 10; index++) {
      expect(limiter.mayTry('192.0.2.1', index * 1_000)).toBe(true);
      limiter.refused('192.0.2.1', index * 1_000);
    }
    expect(limiter.mayTry('192.0.2.1', 10_000)).toBe(false);
    expect(limiter.mayTry('192.0.2.2', 10_000)).toBe(true);
    expect(limiter.mayTry('192.0.2.1', 59_999)).toBe(false);
    expect(limiter.mayTry('192.0.2.1', 60_001)).toBe(true);
  });

  test('counts a whole IPv6 network as one address', () => {
    expect(networkOf('2001:db8:1:2:3:4:5:6')).toBe('2001:db8:1:2');
    expect(networkOf('2001:db8::6')).toBe('2001:db8:0:0');
    expect(networkOf('::1')).toBe('0:0:0:0');
    expect(networkOf('::ffff:192.0.2.1')).toBe('::ffff:192.0.2.1');
    expect(networkOf('192.0.2.1')).toBe('192.0.2.1');
  });
});
