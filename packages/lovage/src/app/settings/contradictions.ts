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
  return signing(settings) ?? names(settings);
}

function signing(settings: Settings): string | undefined {
  const accepts = settings.acceptContent;
  if (accepts.includes('auth') && accepts.length > 1) {
    return `acceptContent lists 'auth' beside others: unsigned messages would be accepted. With signing it is exactly ['auth'].`;
  }
  if (settings.taskSerializer !== 'auth') return undefined;
  const missing = (['securityKey', 'securityCertificate', 'securityCertStore'] as const).filter(
    (name) => settings[name] === null,
  );
  return missing.length === 0
    ? undefined
    : `taskSerializer is 'auth', which signs messages, but ${missing.join(' and ')} is not set.`;
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
