# Optional (customer_managed_key): the bucket's objects are encrypted with a key of the lender's own,
# which can be withdrawn. Without it Google's keys encrypt them.

locals {
  own_key = var.customer_managed_key ? 1 : 0
}

resource "google_project_service" "kms" {
  count = local.own_key

  service            = "cloudkms.googleapis.com"
  disable_on_destroy = false
}

resource "google_kms_key_ring" "artifacts" {
  count = local.own_key

  name = "loan-default"
  # Multi-regions of buckets and of keys have different names.
  location = lookup({ EU = "europe", US = "us", ASIA = "asia" }, var.region, var.region)

  depends_on = [google_project_service.kms]
}

resource "google_kms_crypto_key" "artifacts" {
  count = local.own_key

  name            = "artifacts"
  key_ring        = google_kms_key_ring.artifacts[0].id
  rotation_period = "7776000s" # 90 days

  lifecycle {
    # Without the key nothing in the bucket can be read again.
    prevent_destroy = true
  }
}

data "google_storage_project_service_account" "this" {
  count = local.own_key
}

resource "google_kms_crypto_key_iam_member" "storage" {
  count = local.own_key

  crypto_key_id = google_kms_crypto_key.artifacts[0].id
  role          = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
  member        = data.google_storage_project_service_account.this[0].member
}
