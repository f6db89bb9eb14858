import { bucketName, endpoint, endpointCertificates, folder, text } from '../../schema/parts.ts'

/** The fields of a bucket and its service, for the schema of every kind that is stored in one. */
export const place = {
  endpoint: endpoint('URL of the S3 service, as sites and runners reach it: scheme, name and perhaps a port.', {
    examples: ['https://s3.dc-a.example.com'],
  }),
  region: text('Region for signatures; us-east-1 where the service has none.', { pattern: '^[A-Za-z0-9-]+$' }),
  bucket: bucketName('Name of the bucket; it must exist.'),
  prefix: folder('Everything is kept below this; ends with "/".', 'with-slash'),
  endpointCA: endpointCertificates,
}
