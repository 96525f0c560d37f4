// The hub's certificate authority: made at first start, kept in the data directory. It signs the hub's server
// certificates and, from an agent's request, cluster certificates whose subject and names the hub alone decides.
// A certificate names its cluster by the URI fairlead://cluster/<cluster id>.
//
// May import `auth/private-file`, `shared` and @peculiar/x509, which stops here.
export {
  type CertificateAuthority,
  type IssuedClusterCertificate,
  openCertificateAuthority,
  type ServerCertificate,
} from './authority.ts';
export { type PeerCertificate, readPeerCertificate, serialOf } from './peer-certificate.ts';
export { RequestInvalidError } from './signing-request.ts';
