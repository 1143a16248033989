import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Client, credentials, type ServiceDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { protoPath as healthProto } from 'grpc-health-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeImages, type Served, serve, temporaryFolder } from './harness.js';

const folder = temporaryFolder();
let served: Served;
let workers: readonly string[];

beforeAll(async () => {
  await makeImages(folder.path, 8);
  served = await serve(['--data', folder.path, '--recipe', 'eval']);
  workers = served.ready.workers as string[];
});

afterAll(async () => {
  await served?.stop();
  folder.remove();
});

test('coordinator and workers answer health checks', async () => {
  const health = loadSync(healthProto)['grpc.health.v1.Health'] as ServiceDefinition;
  const { path, requestSerialize, responseDeserialize } = health.Check!;
  for (const address of [served.target, ...workers]) {
    const client = new Client(address, credentials.createInsecure());
    const answer = await new Promise((resolve, reject) => {
      client.makeUnaryRequest(path, requestSerialize, responseDeserialize, { service: '' }, (error, value) =>
        error ? reject(error) : resolve(value),
      );
    });
    client.close();
    expect(answer).toMatchObject({ status: 1 }); // SERVING
  }
});

test('reflection lists the services, so that grpcurl needs no .proto files', async () => {
  const package_ = createRequire(import.meta.url).resolve('@grpc/reflection/package.json');
  const proto = join(dirname(package_), 'build/proto/grpc/reflection/v1/reflection.proto');
  const reflection = loadSync(proto)['grpc.reflection.v1.ServerReflection'] as ServiceDefinition;
  const { path, requestSerialize, responseDeserialize } = reflection.ServerReflectionInfo!;
  const client = new Client(served.target, credentials.createInsecure());
  const call = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
  const answer = await new Promise<{ listServicesResponse: { service: { name: string }[] } }>(
    (resolve, reject) => {
      call.on('data', resolve);
      call.on('error', reject);
      call.write({ listServices: '' });
    },
  );
  call.end();
  client.close();
  expect(answer.listServicesResponse.service.map(({ name }) => name)).toContain('cropstream.v1.Coordinator');
});
