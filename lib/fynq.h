/*
 * What a responder includes; nothing else of libfynq is public.
 */
#ifndef FYNQ_H
#define FYNQ_H

#include "account/archive.h"
#include "account/erasure.h"
#include "account/upkeep.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/err.h"
#include "base/ids.h"
#include "base/log.h"
#include "data/claim.h"
#include "data/db.h"
#include "data/paging.h"
#include "http/attachment.h"
#include "http/client.h"
#include "http/fields.h"
#include "http/request.h"
#include "http/response.h"
#include "http/router.h"
#include "identity/audit.h"
#include "identity/identity.h"
#include "identity/outbox.h"
#include "identity/provider.h"
#include "identity/rules.h"
#include "identity/standing.h"
#include "library/reading.h"
#include "limits/attempts.h"
#include "limits/user.h"
#include "service/serve.h"
#include "storage/file.h"
#include "storage/picture.h"
#include "storage/room.h"
#include "storage/store.h"
#include "storage/types.h"
#include "tutor/tutor.h"

#endif
