variable "project_id" {
  description = "Google Cloud project that everything is made in."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "A project id has 6 to 30 characters of a-z, 0-9 and '-', begins with a letter and does not end with '-'."
  }
}

variable "region" {
  description = "Where the bucket and the key lie: a region (europe-west3) or a multi-region (EU, US, ASIA)."
  type        = string
  default     = "EU"

  validation {
    condition     = can(regex("^([a-z]+-[a-z]+[0-9]+|EU|US|ASIA)$", var.region))
    error_message = "Write a region such as europe-west3, or EU, US or ASIA."
  }
}

variable "labels" {
  description = "Labels on everything that can have them."
  type        = map(string)
  default     = { application = "loan-default" }

  validation {
    condition     = alltrue([for key, value in var.labels : can(regex("^[a-z][a-z0-9_-]{0,62}$", key)) && can(regex("^[a-z0-9_-]{0,63}$", value))])
    error_message = "Labels are of a-z, 0-9, '_' and '-', at most 63 characters; a key begins with a letter."
  }
}

variable "retention_days" {
  description = "Days after which replaced and deleted versions and temporary objects go, and results grow cold."
  type        = number
  default     = 30

  validation {
    condition     = var.retention_days >= 1 && var.retention_days <= 3650 && floor(var.retention_days) == var.retention_days
    error_message = "retention_days is a whole number from 1 to 3650."
  }
}

variable "old_results" {
  description = "What becomes of predictions, reports and the online log after retention_days: a colder class, or DELETE. Outcomes that arrive years later can be judged only against predictions that are still there."
  type        = string
  default     = "COLDLINE"

  validation {
    condition     = contains(["NEARLINE", "COLDLINE", "ARCHIVE", "DELETE"], var.old_results)
    error_message = "old_results is NEARLINE, COLDLINE, ARCHIVE or DELETE."
  }
}

variable "soft_delete_days" {
  description = "Days in which a deleted object can be restored: 7 to 90, or 0 for none."
  type        = number
  default     = 7

  validation {
    condition     = var.soft_delete_days == 0 || (var.soft_delete_days >= 7 && var.soft_delete_days <= 90)
    error_message = "soft_delete_days is 0, or from 7 to 90."
  }
}

variable "access_log_bucket" {
  description = "Existing bucket for access logs; null leaves them to Cloud Audit Logs."
  type        = string
  default     = null

  validation {
    condition     = var.access_log_bucket == null || can(regex("^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$", var.access_log_bucket))
    error_message = "Write the bucket's name alone, without gs://."
  }
}

variable "force_destroy" {
  description = "Whether terraform destroy may remove a bucket that is not empty: every model and prediction goes."
  type        = bool
  default     = false
}

variable "github_repository" {
  description = "GitHub repository OWNER/NAME whose workflows may act for the platform, without any key; null: none."
  type        = string
  default     = null

  validation {
    condition     = var.github_repository == null || can(regex("^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$", var.github_repository))
    error_message = "Write the repository as OWNER/NAME."
  }
}

variable "github_ref" {
  description = "Git ref that those workflows must run on."
  type        = string
  default     = "refs/heads/main"

  validation {
    condition     = can(regex("^refs/(heads|tags)/[A-Za-z0-9._/-]+$", var.github_ref))
    error_message = "Write a full ref such as refs/heads/main."
  }
}

variable "customer_managed_key" {
  description = "Whether the bucket is encrypted with a key of yours in Cloud KMS, which rotates every 90 days."
  type        = bool
  default     = false
}
