/** Messages of access_log. */
import { SubstitutionFormatString } from './schema-core.js';
import { type Message, message, string, struct, text } from './schema.js';

const FileAccessLog: Message = {
  name: 'FileAccessLog',
  typeUrl: 'envoy.extensions.access_loggers.file.v3.FileAccessLog',
  fields: {
    path: text,
    format: string,
    json_format: struct,
    typed_json_format: struct,
    log_format: message(() => SubstitutionFormatString),
  },
  required: ['path'],
  oneof: [['?', 'format', 'json_format', 'typed_json_format', 'log_format']],
};
const StdoutAccessLog: Message = {
  name: 'StdoutAccessLog',
  typeUrl: 'envoy.extensions.access_loggers.stream.v3.StdoutAccessLog',
  fields: { log_format: message(() => SubstitutionFormatString) },
};
const StderrAccessLog: Message = {
  name: 'StderrAccessLog',
  typeUrl: 'envoy.extensions.access_loggers.stream.v3.StderrAccessLog',
  fields: { log_format: message(() => SubstitutionFormatString) },
};

export const AccessLogMessage: Message = {
  name: 'AccessLog',
  fields: {
    name: string,
    typed_config: {
      kind: 'any',
      types: () => ({
        [FileAccessLog.typeUrl as string]: FileAccessLog,
        'envoy.config.accesslog.v2.FileAccessLog': FileAccessLog,
        [StdoutAccessLog.typeUrl as string]: StdoutAccessLog,
        [StderrAccessLog.typeUrl as string]: StderrAccessLog,
      }),
    },
    config: {
      kind: 'named',
      types: () => ({ 'envoy.file_access_log': FileAccessLog, 'envoy.access_loggers.file': FileAccessLog }),
    },
  },
  unsupported: ['filter'],
  required: ['typed_config'],
};
