// URLs from settings, read so that what is wrong with them is told without the passwords in them: Node's own errors quote the whole URL.
import { ConfigurationError } from './errors.ts';
import { redactUrl } from './redact.ts';

/** The text of a percent-encoded part of a URL. Throws ConfigurationError, which names the part (`password`) and shows nothing of it. */
export function decodeUrlPart(text: string, part: string, url: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new ConfigurationError(
      `The ${part} in '${redactUrl(url)}' cannot be decoded: a % stands for two hexadecimal digits of UTF-8, and is itself written %25.`,
    );
  }
}

/** A login, `user:password`, decoded; empty texts for what is left out. */
export function decodeLogin(login: string | undefined, url: string): { readonly user: string; readonly password: string } {
  const [user = '', password = ''] = (login ?? '').split(':');
  return { user: decodeUrlPart(user, 'user', url), password: decodeUrlPart(password, 'password', url) };
}
