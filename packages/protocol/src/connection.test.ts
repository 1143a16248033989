import { describe, expect, it } from 'vitest';
import { connectionFailure } from './connection.js';

const around = (cause: string) => `No connection established. Last error: ${cause}. Resolution note: `;
const stamped = 'Failed to connect (2026-11-22T05:29:04.412Z)';

describe('connectionFailure', () => {
  // As grpc-js 1.14 tells it on Node 20 and 24.
  it.each([
    [around('Error: connect ECONNREFUSED 127.0.0.1:1'), 'the connection is refused: nothing listens there'],
    ['Name resolution failed for target dns:nope.invalid:1', 'its name does not resolve'],
    ['Deadline exceeded after 3.001s,Waiting for LB pick', 'no answer in time'],
    [around('Error: connect EHOSTUNREACH 10.0.0.1:1'), 'there is no route to it'],
    [around('Protocol error (2026-11-22T05:29:04.463Z)'), 'it does not speak gRPC'],
    [around(stamped), 'it closes connections at once'],
    ['Connection dropped', 'the connection was cut'],
    [around('Error: something new (2026-11-22T05:29:04.463Z)'), 'something new'],
  ])('says why nothing could be reached: %s', (text, reason) => {
    const error = connectionFailure(text, 'host:1');
    expect(error).toMatchObject({ code: 'UNREACHABLE', details: { target: 'host:1' }, retryable: true });
    expect(error.problem).toContain(`cannot reach host:1: ${reason}`);
    expect(error.problem).not.toMatch(/Last error|Resolution note|\d{4}-\d\d-\d\dT/);
  });

  it.each([
    [
      "Error [ERR_TLS_CERT_ALTNAME_INVALID]: Hostname/IP does not match certificate's altnames: Host: other. is not in the cert's altnames: DNS:localhost, DNS:cropstream-worker",
      'its certificate is for DNS:localhost, DNS:cropstream-worker',
      'CROPSTREAM_TLS_SERVER_NAME',
    ],
    ['Error: unable to verify the first certificate', 'not from an authority', 'CROPSTREAM_TLS_CA'],
    ['Error: self-signed certificate in certificate chain', 'not from an authority', 'CROPSTREAM_TLS_CA'],
    ['Error: certificate has expired', 'not valid today', 'Renew'],
    [
      'Error: 80ACE181EF7F0000:error:0A00010B:SSL routines:ssl3_get_record:wrong version number:../ssl3_record.c:350:\n',
      'it does not speak TLS',
      'CROPSTREAM_TLS_CERT',
    ],
    [
      '80ACE181EF7F0000:error:0A00045C:SSL routines:ssl3_read_bytes:tlsv13 alert certificate required:../rec_layer_s3.c:1601:SSL alert number 116\n (2026-11-22T05:29:04.427Z)',
      'the certificate of this client',
      'CROPSTREAM_TLS_CLIENT_CA',
    ],
  ])('tells TLS that does not match from a service that is away: %s', (cause, reason, fix) => {
    const error = connectionFailure(around(cause), 'host:1');
    expect(error).toMatchObject({ code: 'TLS_FAILED', retryable: false });
    expect(error.problem).toContain(reason);
    expect(error.help).toContain(fix);
    expect(error.problem).not.toMatch(/SSL routines|Resolution note/);
  });
});
