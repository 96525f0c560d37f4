import { connect } from 'node:net';
import type { CommitId, PipelineName, StageName } from '@fairlead/shared/ids';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { unitIdOf } from '../domain/link/index.ts';
import { type AgentMetrics, createMetrics, type HealthServer, startHealthServer } from './index.ts';

let server: HealthServer;
let metrics: AgentMetrics;
let unhealthy: string[];
let unready: string[];

beforeEach(async () => {
  unhealthy = [];
  unready = ['no identity yet'];
  metrics = createMetrics(
    {
      outbox: () => ({ auditLength: 7, reportsPending: 2, bytes: 900 }),
      units: () => 3,
      unitsSettled: () => 2,
      link: () => ({ watchOpen: true, busOpen: false, certificateExpiresAtMs: 5_000 }),
    },
    '1.2.3',
  );
  server = await startHealthServer({
    host: '127.0.0.1',
    port: 0,
    healthy: () => unhealthy,
    ready: () => unready,
    metrics,
  });
});
afterEach(() => server[Symbol.asyncDispose]());

const get = async (path: string, init?: RequestInit) => {
  const response = await fetch(`http://127.0.0.1:${server.port}${path}`, init);
  return { status: response.status, text: await response.text() };
};

describe('local health', () => {
  it('is healthy without a hub, and ready when nothing is missing', async () => {
    expect(await get('/livez')).toEqual({ status: 200, text: 'ok\n' });
    expect(await get('/healthz')).toEqual({ status: 200, text: 'ok\n' });
    expect(await get('/readyz')).toEqual({ status: 503, text: 'no identity yet\n' });
    unready = [];
    expect((await get('/readyz')).status).toBe(200);
    unhealthy = ['the journal cannot be written'];
    expect(await get('/healthz')).toEqual({ status: 503, text: 'the journal cannot be written\n' });
    expect((await get('/livez')).status).toBe(200);
  });

  it('shows metrics', async () => {
    metrics.countRender('rendered', 12);
    metrics.countAudit({
      unit: unitIdOf({ pipeline: 'shop' as PipelineName, stage: 'staging' as StageName }),
      generation: 1,
      commit: 'a'.repeat(40) as CommitId,
      kind: 'ObjectsApplied',
      message: '3 created, 1 configured, 0 unchanged',
      details: { createdTotal: 3, configuredTotal: 1 },
    });
    const { text } = await get('/metrics');
    for (const line of [
      'fairlead_agent_renders_total{outcome="rendered"} 1',
      'fairlead_agent_objects_applied_total 4',
      'fairlead_agent_audit_outbox_events 7',
      'fairlead_agent_units 3',
      'fairlead_agent_hub_watch_open 1',
      'fairlead_agent_bus_open 0',
      'fairlead_agent_info{version="1.2.3"} 1',
    ]) {
      expect(text).toContain(line);
    }
    expect(text).toMatch(/fairlead_agent_resident_memory_bytes \d{7,}/);
  });

  it('F54: answers nothing else and takes nothing in', async () => {
    for (const path of ['/', '/debug/pprof', '/__proto__', '/healthz/x']) {
      expect((await get(path)).status).toBe(404);
    }
    expect((await get('/healthz', { method: 'POST', body: 'x' })).status).toBe(405);
  });

  it('S1: stays up when it is sent nonsense', async () => {
    await new Promise<void>((resolve) => {
      const socket = connect(server.port, '127.0.0.1', () =>
        socket.end('\x16\x03\x01nonsense\r\n\r\n'),
      );
      socket.on('error', () => undefined);
      socket.on('data', () => undefined);
      socket.on('close', () => resolve());
    });
    expect((await get('/healthz')).status).toBe(200);
  });
});
