/** Where the third-party conformance data is: MILLRACE_CONFORMANCE, or shared/conformance beside the checkout. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../engine/io/addon.js';

/** The path of one file of it, or null with the reason for a skip. */
export function conformanceFile(...parts: string[]): { path: string; skip: false } | { path: null; skip: string } {
  const root = process.env['MILLRACE_CONFORMANCE'] ?? join(packageRoot(), '..', 'shared', 'conformance');
  const path = join(root, ...parts);
  if (existsSync(path)) return { path, skip: false };
  return { path: null, skip: `conformance data ${parts.join('/')} is not there; set MILLRACE_CONFORMANCE` };
}
