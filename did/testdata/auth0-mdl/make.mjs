// Makes vectors.json: mdocs issued and presented by the npm library @auth0/mdl 3.0.1 (MIT), which shares no code with ours.
// npm i @auth0/mdl@3.0.1 && node make.mjs > vectors.json (needs openssl)
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { createHash, createPrivateKey, createPublicKey } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRequire } from 'node:module';

const require = createRequire(process.cwd() + '/');
const { Document, MDoc, DeviceResponse, parse } = require('@auth0/mdl');
const { DataItem, cborEncode } = require('@auth0/mdl/lib/cbor');
const { COSEKeyFromJWK } = require('cose-kit');

const dir = mkdtempSync(join(tmpdir(), 'mdl-'));
const at = (name) => join(dir, name);
const openssl = (...args) => execFileSync('openssl', args, { stdio: ['ignore', 'pipe', 'ignore'] });
writeFileSync(at('iaca.cnf'), `[req]\ndistinguished_name=dn\nprompt=no\nx509_extensions=x\n[dn]\nC=UT\nCN=Utopia IACA\n[x]
basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\nissuerAltName=URI:https://iaca.example\n`);
writeFileSync(at('ds.cnf'), `keyUsage=critical,digitalSignature\nextendedKeyUsage=critical,1.0.18013.5.1.2\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\nissuerAltName=URI:https://iaca.example\n`);
const key = (name, curve) => {
  openssl(...(curve === 'Ed25519' ? ['genpkey', '-algorithm', 'ed25519', '-out', at(name)] : ['genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:' + curve, '-out', at(name)]));
  const k = createPrivateKey(readFileSync(at(name)));
  return { private: k.export({ format: 'jwk' }), public: createPublicKey(k).export({ format: 'jwk' }) };
};
key('iaca.key', 'P-256');
openssl('req', '-x509', '-new', '-key', at('iaca.key'), '-config', at('iaca.cnf'), '-days', '36500', '-out', at('iaca.pem'));

const issuer = (curve) => {
  const k = key('ds.key', curve);
  openssl('req', '-new', '-key', at('ds.key'), '-subj', '/C=UT/CN=Utopia DS ' + curve, '-out', at('ds.csr'));
  openssl('x509', '-req', '-in', at('ds.csr'), '-CA', at('iaca.pem'), '-CAkey', at('iaca.key'), '-CAcreateserial', '-days', '36000', '-extfile', at('ds.cnf'), '-out', at('ds.pem'));
  return { ...k, certificate: readFileSync(at('ds.pem'), 'utf8') };
};
// SessionTranscript of OpenID4VP 1.0 §B.2.6.1, response not encrypted.
const sha256 = (b) => createHash('sha256').update(b).digest();
const transcript = cborEncode(DataItem.fromData([null, null, ['OpenID4VPHandover', sha256(cborEncode(['x509_san_dns:verifier.example', 'n-0S6_WzA2Mj', null, 'https://verifier.example/response']))]]));

const cases = [];
for (const [name, docType, curve, alg, digest, deviceCurve, deviceAlg] of [
  ['mDL, signature', 'org.iso.18013.5.1.mDL', 'P-256', 'ES256', 'SHA-256', 'P-256', 'ES256'],
  ['mDL, MAC', 'org.iso.18013.5.1.mDL', 'P-256', 'ES256', 'SHA-256', 'P-256', 'HS256'],
  ['PID, P-384 throughout', 'eu.europa.ec.eudi.pid.1', 'P-384', 'ES384', 'SHA-384', 'P-384', 'ES384'],
  ['PID, P-521, MAC on P-384', 'eu.europa.ec.eudi.pid.1', 'P-521', 'ES512', 'SHA-512', 'P-384', 'HS256'],
  ['mDL, device with Ed25519', 'org.iso.18013.5.1.mDL', 'P-256', 'ES256', 'SHA-256', 'Ed25519', 'EdDSA'],
]) {
  const ds = issuer(curve), device = key('device.key', deviceCurve);
  const space = docType === 'org.iso.18013.5.1.mDL' ? 'org.iso.18013.5.1' : docType;
  const doc = new Document(docType).addIssuerNameSpace(space, { family_name: 'Doe', given_name: 'Ann', birth_date: '1990-05-06', issuing_country: 'UT', age_over_18: true, portrait: Buffer.from('ffd8ffe0', 'hex') })
    .useDigestAlgorithm(digest).addDeviceKeyInfo({ deviceKey: device.public });
  // the certificates begin today, and the document must not be older
  const now = new Date(); now.setMilliseconds(0);
  doc.addValidityInfo({ signed: now, validFrom: now, validUntil: new Date('2099-01-01T00:00:00Z') });
  const issued = await doc.sign({ issuerPrivateKey: ds.private, issuerCertificate: ds.certificate, alg, kid: 'k1' });
  const fields = ['family_name', 'age_over_18', 'issuing_country', 'portrait'].map((e) => ({ path: [`$['${space}']['${e}']`], intent_to_retain: false }));
  const response = DeviceResponse.from(parse(new MDoc([issued]).encode()))
    .usingPresentationDefinition({ id: 'p', input_descriptors: [{ id: docType, format: { mso_mdoc: { alg: ['ES256'] } }, constraints: { limit_disclosure: 'required', fields } }] })
    .usingSessionTranscriptBytes(transcript);
  const one = { name, docType, space, at: now.toISOString(), device_jwk: device.private, issuer_jwk: ds.private };
  if (deviceAlg === 'HS256') {
    const reader = key('reader.key', deviceCurve);
    one.reader_jwk = reader.private;
    response.authenticateWithMAC(device.private, COSEKeyFromJWK(reader.public), 'HS256');
  } else {
    response.authenticateWithSignature(device.private, deviceAlg);
  }
  const presented = await response.sign();
  one.device_response = presented.encode().toString('base64url');
  one.issuer_signed = Buffer.from(cborEncode(issued.prepare().get('issuerSigned'))).toString('base64url');
  cases.push(one);
}
console.log(JSON.stringify({ source: 'made by make.mjs with @auth0/mdl 3.0.1 (npm, MIT); the keys are for these tests alone', iaca: readFileSync(at('iaca.pem'), 'utf8'),
  session_transcript: Buffer.from(transcript).toString('base64url'), client_id: 'x509_san_dns:verifier.example', nonce: 'n-0S6_WzA2Mj', response_uri: 'https://verifier.example/response', cases }, null, 1));
