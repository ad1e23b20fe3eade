/** APIs that have a better place: each rule says what to use instead. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RANKS, rankedFolder } from './rank-table.js';
import { ALL, ENGINE, type Source, withoutComments } from './sources.js';

interface Rule {
  readonly pattern: RegExp;
  readonly instead: string;
  /** Where the rule holds. */
  readonly holds: (source: Source) => boolean;
  /** Path and why it may. */
  readonly except: Readonly<Record<string, string>>;
}

const rankOf = ({ path }: Source): number => RANKS[rankedFolder(path)] as number;
const isEngine = ({ path }: Source): boolean => path.startsWith('engine/');
const isWorker = (source: Source): boolean => isEngine(source) && rankOf(source) <= 7;

const RULES: readonly Rule[] = [
  {
    pattern: /\bprocess\.(env|argv)\b/,
    instead: 'options.ts reads command line and environment once',
    holds: isEngine,
    except: { 'engine/main.ts': 'hands both to options.ts' },
  },
  {
    pattern: /\bDate\.now\(|\bperformance\.now\(|new Date\(\)/,
    instead: 'transport.nowMs(), nowUs() or wallMs(): constant within a turn, virtual in the simulation',
    holds: isWorker,
    except: { 'engine/io/transport-node.ts': 'is the clock' },
  },
  {
    pattern: /\bMath\.random\(|\brandomBytes\(|\brandomUUID\(/,
    instead: 'the seeded Prng, so that a run can be repeated',
    holds: isWorker,
    except: {},
  },
  {
    pattern: /\bPromise\b|\basync\b|\bawait\b/,
    instead: 'callbacks on a class: a promise allocates and defers',
    holds: isWorker,
    except: {
      'engine/proxy/core.ts': 'flushLogs: when the worker ends',
      'engine/proxy/access-log.ts': 'flush: when the worker ends',
    },
  },
  {
    pattern: /\bsetTimeout\(|\bsetInterval\(|\bsetImmediate\(|\bprocess\.nextTick\(/,
    instead: 'a Timer on the wheel, or the end of the turn',
    holds: isWorker,
    except: {
      'engine/io/transport-node.ts': 'node:net needs them',
      'engine/io/conn-node.ts': 'the same',
      'engine/io/transport-native.ts': 'a dial that failed at once says so in the next turn (law 3)',
      'engine/proxy/core.ts': "the wheel's own timer",
      'engine/proxy/access-log.ts': 'files are written behind the data path',
      'engine/proxy/log-file.ts': 'files are written behind the data path',
    },
  },
  {
    pattern: /\bconsole\./,
    instead: 'Log (main) or CoreOptions.log (worker)',
    holds: isEngine,
    except: {},
  },
  {
    pattern: /: any\b|\bas any\b|<any>|@ts-(ignore|expect-error|nocheck)/,
    instead: 'unknown, or the type',
    holds: ({ path }) => !path.startsWith('test/tidy/'),
    except: {},
  },
  {
    pattern: /\bdelete \w+[.[]/,
    instead: 'assign null: delete turns the object into a dictionary',
    holds: isWorker,
    except: {},
  },
  {
    pattern: /\beval\(|new Function\(/,
    instead: 'nothing: config is not code',
    holds: () => true,
    except: {},
  },
];

for (const rule of RULES)
  test(`not ${rule.pattern.source.slice(0, 50)}: ${rule.instead}`, () => {
    const wrong = ALL.filter((source) => rule.holds(source) && !(source.path in rule.except))
      .filter(({ text }) => rule.pattern.test(withoutComments(text)))
      .map(({ path }) => path);
    assert.deepEqual(wrong, [], rule.instead);
    const spare = Object.keys(rule.except).filter((path) => {
      const source = ALL.find((each) => each.path === path);
      return source === undefined || !rule.pattern.test(withoutComments(source.text));
    });
    assert.deepEqual(spare, [], 'no exception is needed any more: remove it');
  });

test('no left-overs and no paths of a machine', () => {
  const wrong: string[] = [];
  for (const { path, text } of ALL) {
    if (path.startsWith('test/tidy/')) continue;
    for (const [pattern, instead] of [
      [/\b(TODO|FIXME|XXX|HACK)\b/, 'do it, or say it in ARCHITECTURE.md'],
      [/['"`/ ]\/(work|home|root|Users)\//, 'paths come from packageRoot() or tmpdir()'],
      [/\btest\.only\(|\{ only: true/, 'run one test from the command line'],
    ] as const)
      if (pattern.test(text)) wrong.push(`${path}: ${String(pattern)}: ${instead}`);
  }
  assert.deepEqual(wrong, []);
});

test('no test asserts on a duration', () => {
  const wrong = ALL.filter(
    ({ path, text }) =>
      path.startsWith('test/') && /assert\.[\w]+\([^;]*\b(elapsed|duration|tookMs|elapsedMs)\b[^;]*[<>]/.test(text),
  );
  assert.deepEqual(
    wrong.map(({ path }) => path),
    [],
  );
});

test('ENGINE is not empty', () => assert.ok(ENGINE.length > 50));
