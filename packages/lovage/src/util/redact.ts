// Secrets never reach a log line, an error or a banner: URLs pass through here first.

/** The URL (or `;` list of URLs) with every password replaced by `**`, also in query parameters, and parts of a connection string, that name one. */
export function redactUrl(url: string): string {
  return url
    .split(';')
    .map((part) =>
      part
        .replace(/(:\/\/[^/?#@]*?:)[^@]*(@)/, '$1**$2')
        .replaceAll(/((?:^|[?&])[^=&]*(?:password|secret|token|key|signature)[^=&]*=)[^&]*/gi, '$1**'),
    )
    .join(';');
}
