/** Times in logs: ISO by default, strftime with Envoy's sub-second additions otherwise. */
const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const MONTHS = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];

/** wallMs: epoch milliseconds. '' is Envoy's default: 2026-01-31T12:00:00.000Z. */
export function formatTime(wallMs: number, format: string, isUtc: boolean): string {
  const date = new Date(wallMs);
  if (format === '' && isUtc) return date.toISOString();
  const shifted = isUtc ? date : new Date(wallMs - date.getTimezoneOffset() * 60000);
  const pattern = format === '' ? '%Y-%m-%dT%H:%M:%S.%3f%z' : format;
  return pattern.replace(/%([1-9]?)([a-zA-Z%])/g, (whole, digits: string, letter: string) => {
    if (letter === 'f') return fraction(wallMs, digits === '' ? 9 : Number(digits));
    if (letter === 's') return epoch(wallMs, digits);
    return digits === '' ? (part(letter, shifted, isUtc ? 0 : -date.getTimezoneOffset()) ?? whole) : whole;
  });
}

function fraction(wallMs: number, digits: number): string {
  const nanoseconds = Math.floor((((wallMs % 1000) + 1000) % 1000) * 1000000);
  return String(nanoseconds).padStart(9, '0').slice(0, digits);
}

/** %s are seconds, %3s milliseconds, %6s microseconds, %9s nanoseconds. */
function epoch(wallMs: number, digits: string): string {
  const seconds = String(Math.floor(wallMs / 1000));
  return digits === '' ? seconds : seconds + fraction(wallMs, Number(digits));
}

function part(letter: string, d: Date, offsetMinutes: number): string | null {
  const two = (value: number): string => String(value).padStart(2, '0');
  switch (letter) {
    case 'Y':
      return String(d.getUTCFullYear());
    case 'y':
      return two(d.getUTCFullYear() % 100);
    case 'm':
      return two(d.getUTCMonth() + 1);
    case 'd':
      return two(d.getUTCDate());
    case 'e':
      return String(d.getUTCDate()).padStart(2, ' ');
    case 'H':
      return two(d.getUTCHours());
    case 'I':
      return two(d.getUTCHours() % 12 || 12);
    case 'M':
      return two(d.getUTCMinutes());
    case 'S':
      return two(d.getUTCSeconds());
    case 'p':
      return d.getUTCHours() < 12 ? 'AM' : 'PM';
    case 'F':
      return `${d.getUTCFullYear()}-${two(d.getUTCMonth() + 1)}-${two(d.getUTCDate())}`;
    case 'T':
      return `${two(d.getUTCHours())}:${two(d.getUTCMinutes())}:${two(d.getUTCSeconds())}`;
    case 'R':
      return `${two(d.getUTCHours())}:${two(d.getUTCMinutes())}`;
    case 'a':
      return (DAYS[d.getUTCDay()] as string).slice(0, 3);
    case 'A':
      return DAYS[d.getUTCDay()] as string;
    case 'b':
      return (MONTHS[d.getUTCMonth()] as string).slice(0, 3);
    case 'B':
      return MONTHS[d.getUTCMonth()] as string;
    case 'z':
      return `${offsetMinutes < 0 ? '-' : '+'}${two(Math.floor(Math.abs(offsetMinutes) / 60))}${two(Math.abs(offsetMinutes) % 60)}`;
    case 'Z':
      return offsetMinutes === 0 ? 'UTC' : '';
    case '%':
      return '%';
    case 'n':
      return '\n';
    case 't':
      return '\t';
    default:
      return null;
  }
}
