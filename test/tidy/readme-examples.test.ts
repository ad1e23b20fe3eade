/** What documents show can be done: configs validate without a warning, command lines parse. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { parseOptions } from '../../engine/options.js';
import { MAIN } from '../support/proxy-process.js';
import { ROOT } from './sources.js';

const DOCUMENTS = ['README.md', 'CONTRIBUTING.md', 'ARCHITECTURE.md', 'CHANGELOG.md', 'STYLE.md', 'results/README.md'];
const directory = mkdtempSync(join(tmpdir(), 'millrace-readme-'));
after(() => rmSync(directory, { recursive: true }));

interface Block {
  readonly document: string;
  readonly language: string;
  readonly text: string;
}

const blocks: readonly Block[] = DOCUMENTS.flatMap((document) =>
  [...readFileSync(join(ROOT, document), 'utf8').matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map((match) => ({
    document,
    language: match[1] as string,
    text: match[2] as string,
  })),
);

/** Lines of shell blocks without their comments. */
const commands = blocks
  .filter(({ language }) => language === '' || language === 'sh')
  .flatMap(({ document, text }) =>
    text.split('\n').map((line) => ({ document, line: line.replace(/\s+#.*$/, '').trim() })),
  );

function validate(path: string): void {
  const run = spawnSync(process.execPath, [MAIN, '--mode', 'validate', '-c', path], { encoding: 'utf8' });
  assert.deepEqual([run.status, run.stderr], [0, '']);
}

const configs = blocks.filter(({ language }) => language === 'yaml' || language === 'json');
for (const [at, { document, text }] of configs.entries())
  test(`config ${at + 1} of ${document} is valid, without a warning`, () => {
    const path = join(directory, `${at}.yaml`);
    writeFileSync(path, text);
    validate(path);
  });

test('the quickstart is valid, without a warning', () => {
  validate(join(ROOT, 'scenarios', 'quickstart', 'envoy.yaml'));
});

test('command lines of millrace parse', () => {
  const lines = commands.filter(({ line }) => /^(npx )?millrace |^node dist\/engine\/main\.js /.test(line));
  assert.ok(lines.length >= 3, 'the README shows how to start it');
  for (const { document, line } of lines) {
    const words = line.replace(/^.*?(millrace|main\.js) /, '').split(/\s+/);
    const parsed = parseOptions(words, {});
    assert.ok('options' in parsed, `${document}: ${line}: ${JSON.stringify(parsed)}`);
  }
});

test('the two commands of the README come first and are those of .ci/run', () => {
  const [first, second] = commands.filter(({ line }) => line.startsWith('npm ')).map(({ line }) => line);
  assert.deepEqual([first, second], ['npm ci && npm start', 'npm ci && npm test']);
  assert.match(readFileSync(join(ROOT, '.ci', 'run'), 'utf8'), /^npm ci && npm test$/m);
});
