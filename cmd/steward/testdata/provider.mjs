// An OpenID provider for tests: node provider.mjs FOLDER CLIENT SECRET CALLBACK
// FOLDER holds node_modules. It prints its issuer when it listens. Whoever signs in is
// called by what was typed, and so is the verified address.
import { createServer } from 'node:http'
import { pathToFileURL } from 'node:url'

const [folder, client, secret, callback] = process.argv.slice(2)
const { Provider } = await import(pathToFileURL(`${folder}/node_modules/oidc-provider/lib/index.js`))
const server = createServer()
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`
  const provider = new Provider(issuer, {
    clients: [{ client_id: client, client_secret: secret, redirect_uris: [callback] }],
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
    features: { claimsParameter: { enabled: true } },
    findAccount: (_, id) => ({
      accountId: id,
      claims: () => ({ sub: id, email: `${id}@example.com`, email_verified: true, name: `${id} of the provider` }),
    }),
  })
  server.on('request', provider.callback())
  console.log(issuer)
})
