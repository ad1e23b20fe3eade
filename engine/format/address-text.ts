/** Addresses as logs and headers write them. */
export interface AddressLike {
  readonly family: 4 | 6 | 'unix';
  readonly host: string;
  readonly port: number;
}

export function addressText(address: AddressLike): string {
  if (address.family === 'unix') return address.host;
  return address.family === 6 ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}
export function hostText(address: AddressLike): string {
  return address.host;
}
export function portText(address: AddressLike): number | null {
  return address.family === 'unix' ? null : address.port;
}
