/** Where the headers of the running Node.js lie, so that building downloads nothing. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The prefix for node-gyp's --nodedir; null: node-gyp must download them, or was told where they are. */
export function headersPrefix() {
  if (process.env.npm_config_nodedir) return null;
  const prefix = dirname(dirname(process.execPath));
  // node-gyp reads common.gypi beside the headers.
  const needed = ['node_api.h', 'common.gypi'].map((name) => join(prefix, 'include', 'node', name));
  return needed.every(existsSync) ? prefix : null;
}
