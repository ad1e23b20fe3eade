/** Log: lines with time, level and component on stderr, as text or JSON. */
import { LOG_LEVELS, type LogLevel } from './options.js';

export class Log {
  #level: number;
  readonly #isJson: boolean;

  constructor(level: LogLevel, format: 'text' | 'json') {
    this.#level = LOG_LEVELS.indexOf(level);
    this.#isJson = format === 'json';
  }

  get level(): LogLevel {
    return LOG_LEVELS[this.#level] as LogLevel;
  }
  set level(level: LogLevel) {
    this.#level = LOG_LEVELS.indexOf(level);
  }

  write(level: string, component: string, message: string): void {
    const name = level === 'warn' ? 'warning' : level;
    if (LOG_LEVELS.indexOf(name as LogLevel) < this.#level) return;
    const time = new Date().toISOString();
    const line = this.#isJson
      ? JSON.stringify({ time, level: name, component, message })
      : `[${time}] [${name}] [${component}] ${message}`;
    process.stderr.write(`${line}\n`);
  }

  info(component: string, message: string): void {
    this.write('info', component, message);
  }
  warn(component: string, message: string): void {
    this.write('warning', component, message);
  }
  error(component: string, message: string): void {
    this.write('error', component, message);
  }
}
