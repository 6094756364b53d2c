// Envelope (58): a broker forwards a request to the controller in the client's name. KIP-590.
import { api, bytes, i16 } from '../schema.ts'

export const Envelope = api('Envelope', 58, '0', {
  flex: 0,
  request: { requestData: bytes, requestPrincipal: bytes.null(), clientHostAddress: bytes },
  response: { responseData: bytes.null(), errorCode: i16.def(0) },
})
