import { loadFileDescriptorSetFromBuffer, type PackageDefinition } from '@grpc/proto-loader';
import { DESCRIPTORS } from './generated/descriptors.js';

/** The google.protobuf.FileDescriptorSet of proto/, comments included. */
export function descriptorSet(): Uint8Array {
  return Buffer.from(DESCRIPTORS, 'base64');
}

/** What @grpc/reflection serves. */
export function reflectionPackage(): PackageDefinition {
  return loadFileDescriptorSetFromBuffer(Buffer.from(DESCRIPTORS, 'base64'));
}
