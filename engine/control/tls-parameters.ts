/** TLS parameters in Envoy's names to OpenSSL's, and what is refused of them. */

/** Suites of TLS 1.2 by OpenSSL's name, which is Envoy's too, with the RFCs' name where it differs in more than spelling. */
const SUITES: Readonly<Record<string, string>> = {
  'ECDHE-ECDSA-AES128-GCM-SHA256': 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384': 'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305': 'TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256': 'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256',
  'ECDHE-RSA-AES256-GCM-SHA384': 'TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384',
  'ECDHE-RSA-CHACHA20-POLY1305': 'TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-SHA': 'TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA',
  'ECDHE-ECDSA-AES256-SHA': 'TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA',
  'ECDHE-RSA-AES128-SHA': 'TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA',
  'ECDHE-RSA-AES256-SHA': 'TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA',
  'ECDHE-RSA-AES128-SHA256': 'TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256',
  'AES128-GCM-SHA256': 'TLS_RSA_WITH_AES_128_GCM_SHA256',
  'AES256-GCM-SHA384': 'TLS_RSA_WITH_AES_256_GCM_SHA384',
  'AES128-SHA': 'TLS_RSA_WITH_AES_128_CBC_SHA',
  'AES256-SHA': 'TLS_RSA_WITH_AES_256_CBC_SHA',
};
const BY_RFC_NAME = new Map(Object.entries(SUITES).map(([name, rfc]) => [rfc, name]));

/** Envoy's: forward secrecy and authenticated encryption alone. */
const DEFAULT_CIPHERS = [
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-RSA-CHACHA20-POLY1305',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
];
const GROUPS = ['X25519', 'P-256', 'P-384', 'P-521'];
const SIGNATURES = [
  'rsa_pss_rsae_sha256',
  'rsa_pss_rsae_sha384',
  'rsa_pss_rsae_sha512',
  'rsa_pss_pss_sha256',
  'rsa_pss_pss_sha384',
  'rsa_pss_pss_sha512',
  'rsa_pkcs1_sha256',
  'rsa_pkcs1_sha384',
  'rsa_pkcs1_sha512',
  'ecdsa_secp256r1_sha256',
  'ecdsa_secp384r1_sha384',
  'ecdsa_secp521r1_sha512',
  'ed25519',
  'ed448',
];

const WEAK: readonly (readonly [RegExp, string])[] = [
  [/RC4/, 'RC4 is broken (RFC 7465 forbids it)'],
  [/3DES|DES-CBC|DES_/, 'DES and 3DES have blocks of 64 bits (Sweet32)'],
  [/NULL/, 'NULL does not encrypt'],
  [/EXP|EXPORT/, 'EXPORT keys have 40 bits'],
  [/MD5/, 'MD5 is broken'],
  [/ADH|AECDH|anon/i, 'nobody is authenticated'],
];

export interface Listed {
  /** OpenSSL's form. */
  readonly text: string;
  /** [index in the list, what is wrong with it] */
  readonly problems: readonly (readonly [number, string])[];
}

/** "[A|B]", names of equal preference, are read in their order: OpenSSL has no such groups. */
export function cipherList(written: readonly string[]): Listed {
  const names: string[] = [];
  const problems: [number, string][] = [];
  written.forEach((entry, at) => {
    for (const name of entry.replace(/^\[|\]$/g, '').split(/[|:]/)) {
      const known = Object.hasOwn(SUITES, name) ? name : BY_RFC_NAME.get(name);
      if (known !== undefined) names.push(known);
      else problems.push([at, cipherProblem(name)]);
    }
  });
  return { text: (written.length === 0 ? DEFAULT_CIPHERS : names).join(':'), problems };
}

function cipherProblem(name: string): string {
  for (const [pattern, why] of WEAK) if (pattern.test(name)) return `${name} is refused: ${why}`;
  if (/^TLS_(AES|CHACHA20)/.test(name)) return `${name} is of TLS 1.3, whose suites are always on`;
  return `there is no cipher suite ${JSON.stringify(name)}; known: ${Object.keys(SUITES).join(', ')}`;
}

export function groupList(written: readonly string[]): Listed {
  return listed(written, GROUPS, ['X25519', 'P-256'], (name) =>
    /MLKEM|KYBER/i.test(name)
      ? `${name} is not in this Node.js's OpenSSL`
      : `there is no group ${JSON.stringify(name)}`,
  );
}

export function signatureList(written: readonly string[]): Listed {
  return listed(written, SIGNATURES, [], (name) =>
    /md5|sha1$/.test(name)
      ? `${name} is refused: signatures over MD5 and SHA-1 can be forged`
      : `there is no signature algorithm ${JSON.stringify(name)}`,
  );
}

function listed(
  written: readonly string[],
  known: readonly string[],
  otherwise: readonly string[],
  problemOf: (name: string) => string,
): Listed {
  const names: string[] = [];
  const problems: [number, string][] = [];
  written.forEach((name, at) => {
    if (known.includes(name)) names.push(name);
    else problems.push([at, `${problemOf(name)}; known: ${known.join(', ')}`]);
  });
  return { text: (written.length === 0 ? otherwise : names).join(':'), problems };
}
