// Settings that cannot both be meant: each pair is refused with a sentence that names both.
import type { Settings } from './types.ts';

/** The first contradiction among settings, as a sentence. */
export function contradiction(settings: Settings): string | undefined {
  const { taskSoftTimeLimit: soft, taskTimeLimit: hard } = settings;
  if (soft !== null && hard !== null && soft > hard) {
    return `taskSoftTimeLimit (${soft} s) is longer than taskTimeLimit (${hard} s): the task would be ended before it is asked to end.`;
  }
  for (const kind of ['control', 'event'] as const) {
    if (settings[`${kind}QueueExclusive`] && settings[`${kind}QueueDurable`]) {
      return `${kind}QueueExclusive and ${kind}QueueDurable are both on: an exclusive queue dies with its connection. Switch one off.`;
    }
  }
  return signing(settings) ?? headerSigning(settings) ?? names(settings);
}

function signing(settings: Settings): string | undefined {
  const accepts = settings.acceptContent;
  if (accepts.includes('auth') && accepts.length > 1) {
    return `acceptContent lists 'auth' beside others: unsigned messages would be accepted. With signing it is exactly ['auth'].`;
  }
  const reads = (['acceptContent', 'resultAcceptContent'] as const).find((name) => settings[name]?.includes('auth'));
  if (reads !== undefined && settings.securityCertStore === null)
    return `${reads} lists 'auth', which verifies signed messages, but securityCertStore is not set.`;
  const writes = (['taskSerializer', 'resultSerializer', 'eventSerializer'] as const).find((name) => settings[name] === 'auth');
  if (writes === undefined) return undefined;
  const missing = (['securityKey', 'securityCertificate', 'securityCertStore'] as const).filter(
    (name) => settings[name] === null,
  );
  return missing.length === 0 ? undefined : `${writes} is 'auth', which signs messages, but ${missing.join(' and ')} is not set.`;
}

function headerSigning({ signingKey, signingKeys, signingRequired }: Settings): string | undefined {
  if (signingKey !== null && !Object.hasOwn(signingKeys, signingKey))
    return `signingKey is '${signingKey}', and signingKeys has no key of that id.`;
  if (signingRequired === false || Object.keys(signingKeys).length > 0) return undefined;
  return 'signingRequired asks for signed messages, and signingKeys has no key that could check one.';
}

function names(settings: Settings): string | undefined {
  if (settings.taskDefaultQueue === '') return 'taskDefaultQueue is empty: a queue needs a name.';
  if (settings.timezone === null) return undefined;
  try {
    new Intl.DateTimeFormat('en', { timeZone: settings.timezone });
    return undefined;
  } catch {
    return `timezone '${settings.timezone}' is not a time zone that this system knows; use an IANA name such as 'Europe/Oslo'.`;
  }
}
