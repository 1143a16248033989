/** The text with the password of every URL in it replaced: `redis://user:***@host`. JSON stays JSON. */
export function redactUrl(text: string): string {
  return text.replace(/([a-z][a-z0-9+.-]*:\/\/[^\s":/?#@]*):[^\s"/?#@]+@/gi, '$1:***@');
}
