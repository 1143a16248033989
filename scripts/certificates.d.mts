/** Makes ca.pem, service.pem, service.key, client.pem, client.key in `folder`, and the same of another authority in `folder`/foreign. */
export function makeCertificates(folder: string): void;
