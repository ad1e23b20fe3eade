/** Envoy configs in the wild: each loads or is refused with reasons that have a place; none crashes the reader. */
import assert from 'node:assert/strict';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadConfig } from '../../engine/control/load.js';
import { conformanceFile } from '../support/conformance-data.js';

function files(directory: string): string[] {
  return readdirSync(directory).flatMap((name) => {
    const path = join(directory, name);
    return statSync(path).isDirectory() ? files(path) : [path];
  });
}

const data = conformanceFile('envoy-configs');

test('configs in the wild load or are refused with a place', { skip: data.skip }, () => {
  let loads = 0;
  for (const path of files(data.path as string)) {
    const loaded = loadConfig({ path, text: null, name: path, allowsUnknownFields: false, environment: {} });
    if (!('problems' in loaded)) {
      loads++;
      continue;
    }
    const errors = loaded.problems.filter((problem) => problem.severity === 'error');
    assert.ok(errors.length > 0, path);
    for (const error of errors) assert.ok(error.line > 0 && error.message.length > 5, `${path}: ${error.message}`);
  }
  assert.ok(loads > 0, 'none loads');
});

test(
  'locality weights of a config in the wild are read: only its health checks are refused',
  { skip: data.skip },
  () => {
    const path = join(data.path as string, 'envoyproxy-examples', 'locality-load-balancing_envoy.yaml');
    const loaded = loadConfig({ path, text: null, name: path, allowsUnknownFields: false, environment: {} });
    const problems = 'problems' in loaded ? loaded.problems : loaded.warnings;
    assert.deepEqual(
      problems.filter((problem) => !/health_check/.test(problem.path)).map(({ message }) => message),
      [],
    );
  },
);
