import { createHash } from 'node:crypto';

const notes = await Promise.resolve(new Map([['1', 'buy milk']]));

export const handler = async (event, context) => {
  console.log('route %s, request %s', event.routeKey, context.awsRequestId);
  if (event.routeKey !== 'GET /notes/{id}') {
    return { statusCode: 400, body: JSON.stringify(`Unsupported route: "${event.routeKey}"`) };
  }
  const note = notes.get(event.pathParameters.id);
  return {
    statusCode: note ? 200 : 404,
    headers: { 'Content-Type': 'application/json', etag: createHash('sha1').update(note ?? '').digest('hex').slice(0, 8) },
    body: JSON.stringify({ note, inTime: context.getRemainingTimeInMillis() > 0 }),
  };
};
