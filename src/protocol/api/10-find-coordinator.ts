// FindCoordinator (10): which broker coordinates a group (0), transactional id (1) or share partition (2): one key up to version 3,
// several from 4 on. KIP-699, KIP-932.
import { api, arr, i8, i16, i32, str } from '../schema.ts'

export const FindCoordinator = api('FindCoordinator', 10, '0-6', {
  flex: 3,
  request: { key: str.in('-3'), keyType: i8.in('1+'), coordinatorKeys: arr(str).in('4+') },
  response: {
    throttleTimeMs: i32.in('1+'),
    errorCode: i16.in('-3'),
    errorMessage: str.null().in('1-3', ''),
    nodeId: i32.in('-3'),
    host: str.in('-3'),
    port: i32.in('-3'),
    coordinators: arr({
      key: str,
      nodeId: i32,
      host: str,
      port: i32,
      errorCode: i16.def(0),
      errorMessage: str.null(),
    }).in('4+'),
  },
})
