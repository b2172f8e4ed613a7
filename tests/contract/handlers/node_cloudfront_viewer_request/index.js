'use strict';

const REDIRECTS = new Map([['/old', '/new']]);

exports.handler = async (event) => {
    const { request } = event.Records[0].cf;
    const target = REDIRECTS.get(request.uri);
    if (target) {
        return {
            status: '301',
            statusDescription: 'Moved Permanently',
            headers: { location: [{ key: 'Location', value: `https://${request.headers.host[0].value}${target}` }] },
        };
    }
    if (request.uri.endsWith('/')) request.uri += 'index.html';
    delete request.body;
    return request;
};
