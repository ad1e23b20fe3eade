/** Messages of slow_start_config. */
import { Percent, RuntimeDouble } from './schema-core.js';
import { type Message, message } from './schema.js';

export const SlowStartConfig: Message = {
  name: 'SlowStartConfig',
  fields: {
    slow_start_window: { kind: 'duration', min: 1 },
    aggression: message(() => RuntimeDouble),
    min_weight_percent: message(() => Percent),
  },
  required: ['slow_start_window'],
};
